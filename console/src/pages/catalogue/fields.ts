import type { UseFormReturnType } from "@mantine/form";
import { showProblem } from "@/ui/forms";
import { Problem } from "@/api/problems";

/** As `showProblem`, for forms whose values go into the request's `definition`: of "definition.health.error_rate" and
 * of "limits.0" the form knows its own first part. */
export function showRefusal<V extends Record<string, unknown>>(form: UseFormReturnType<V>, thrown: unknown): Error | null {
  if (!(thrown instanceof Problem)) return showProblem(form, thrown);
  const fields: Record<string, string> = {};
  const rest: string[] = [];
  for (const [field, message] of Object.entries(thrown.fields)) {
    const parts = field.replace(/^definition\./, "").split(".");
    const own = parts[0]!;
    if (own in form.getValues()) fields[own] = parts.length > 1 ? `${parts.slice(1).join(".")}: ${message}` : message;
    else rest.push(`${field}: ${message}`);
  }
  form.setErrors(fields);
  if (rest.length > 0) return new Error(rest.join("\n"));
  return Object.keys(fields).length > 0 ? null : thrown;
}
