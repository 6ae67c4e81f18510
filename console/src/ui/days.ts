/** Days as date fields have them, "2026-12-31", in the viewer's zone. */

/** The begin of a day, or of one some days later. */
export function startOfDay(day: string, later = 0): number {
  const at = new Date(`${day}T00:00`);
  at.setDate(at.getDate() + later);
  return at.getTime();
}

/** The last moment of a day. */
export function endOfDay(day: string): number {
  return startOfDay(day, 1) - 1;
}

/** The day of a moment. */
export function dayOf(ms: number): string {
  return localOf(ms).slice(0, 10);
}

/** A moment as an <input type="datetime-local"> has it; "" for none. */
export function localOf(ms: number | null): string {
  if (ms === null) return "";
  return new Date(ms - new Date(ms).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
