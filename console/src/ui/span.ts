import type { TFunction } from "i18next";

const UNITS = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
] as const;

/** A length of time in the largest unit that it is a whole number of: "1 hour", "90 分钟". */
export function formatSpan(ms: number, t: TFunction): string {
  const [unit, size] = UNITS.find(([, size]) => ms >= size && ms % size === 0) ?? (["second", 1000] as const);
  return t(`common:span.${unit}`, { count: Math.round(ms / size) });
}
