import type { UseFormReturnType } from "@mantine/form";
import { useState } from "react";
import { Problem } from "@/api/problems";

/** Puts the API's messages at the fields that they are about. What belongs to no field of the form is returned, to be
 * shown above it. */
export function showProblem<V extends Record<string, unknown>>(form: UseFormReturnType<V>, thrown: unknown): Error | null {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  if (!(error instanceof Problem)) return error;
  const isOwn = ([field]: [string, string]) => field.split(".")[0]! in form.getValues();
  const told = Object.entries(error.fields);
  const own = told.filter(isOwn);
  form.setErrors(Object.fromEntries(own));
  if (own.length === 0) return error;
  const rest = told.filter((one) => !isOwn(one)).map(([field, message]) => `${field}: ${message}`);
  return rest.length > 0 ? new Error(rest.join("\n")) : null;
}

/** What a form does when it is submitted: `send`, whose failure `tell` puts at the form's fields, or gives back to be
 * shown above them as `error`. */
export function useSubmit<V extends Record<string, unknown>>(
  form: UseFormReturnType<V>,
  send: (values: V) => Promise<unknown>,
  tell: (form: UseFormReturnType<V>, thrown: unknown) => Error | null = showProblem,
) {
  const [error, setError] = useState<Error | null>(null);
  const submit = form.onSubmit(async (values) => {
    setError(null);
    try {
      await send(values);
    } catch (thrown) {
      setError(tell(form, thrown));
    }
  });
  return { error, submit };
}
