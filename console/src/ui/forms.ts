import type { UseFormReturnType } from "@mantine/form";
import { useState } from "react";
import { Problem } from "@/api/problems";

/** Puts the API's messages at the fields that they are about. What belongs to no field of the form is returned, to
 * be shown above it. */
export function showProblem<V extends Record<string, unknown>>(form: UseFormReturnType<V>, thrown: unknown): Error | null {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  if (!(error instanceof Problem)) return error;
  const own = Object.entries(error.fields).filter(([field]) => field.split(".")[0]! in form.getValues());
  form.setErrors(Object.fromEntries(own));
  return own.length > 0 ? null : error;
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
