import { nanosOf } from "@/ui/money";

const AMOUNT = /^\d{1,10}(\.\d{1,2})?$/;
const EXACT = /^\d{1,10}(\.\d{1,9})?$/;

/** Whether what was typed is no amount that can be paid, or not within the bounds. */
export function amountProblem(typed: string, min: string, max: string): boolean {
  const amount = typed.trim();
  return !AMOUNT.test(amount) || nanosOf(amount) < nanosOf(min) || nanosOf(amount) > nanosOf(max);
}

/** Whether what was typed is an amount above zero, of at most a billionth. */
export function isAmount(typed: string): boolean {
  const amount = typed.trim();
  return EXACT.test(amount) && nanosOf(amount) > 0n;
}
