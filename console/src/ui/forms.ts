import type { UseFormReturnType } from "@mantine/form";
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
