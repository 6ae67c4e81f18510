/** Months as the API names them, "2026-11", from this one back to that of `sinceMs`, in a time zone. */
export function monthsSince(sinceMs: number, nowMs: number, zone: string): string[] {
  const first = monthAt(sinceMs, zone);
  const months = [monthAt(nowMs, zone)];
  while (months[months.length - 1]! > first) months.push(before(months[months.length - 1]!));
  return months;
}

/** "November 2026", "2026年11月". */
export function monthName(month: string, locale: string): string {
  const [year, number] = partsOf(month);
  return new Intl.DateTimeFormat(locale, { year: "numeric", month: "long", timeZone: "UTC" }).format(Date.UTC(year, number - 1, 1));
}

function monthAt(ms: number, zone: string): string {
  const parts = new Intl.DateTimeFormat("en", { year: "numeric", month: "2-digit", timeZone: zone }).formatToParts(ms);
  const part = (type: string) => parts.find((one) => one.type === type)?.value ?? "";
  return `${part("year")}-${part("month")}`;
}

function before(month: string): string {
  const [year, number] = partsOf(month);
  return number > 1 ? `${year}-${String(number - 1).padStart(2, "0")}` : `${year - 1}-12`;
}

function partsOf(month: string): [number, number] {
  const [year = 0, number = 0] = month.split("-").map(Number);
  return [year, number];
}
