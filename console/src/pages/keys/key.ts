import type { components } from "@/api/schema";
import type { Tone } from "@/ui/StatusBadge";

export type Key = components["schemas"]["KeyAnswer"];
export type NewKey = components["schemas"]["NewKeyAnswer"];
export type State = "active" | "frozen" | "held" | "expired" | "revoked";

/** How a key stands in one word; "held": frozen by the operator. */
export function stateOf(key: Key, nowMs = Date.now()): State {
  if (key.status === "revoked") return "revoked";
  if (key.status === "frozen") return key.frozen_by === "operator" ? "held" : "frozen";
  return key.expires_ms !== null && key.expires_ms <= nowMs ? "expired" : "active";
}

export const TONES: Record<State, Tone> = { active: "good", frozen: "warn", held: "bad", expired: "quiet", revoked: "quiet" };

/** What a key is called where it has no name. */
export function titleOf(key: Key): string {
  return key.name || key.hint;
}

/** The last moment of a day as a date field has it, in the viewer's zone. */
export function endOfDay(date: string): number {
  return new Date(`${date}T23:59:59.999`).getTime();
}

/** The day of a moment as a date field takes it, in the viewer's zone. */
export function dayOf(ms: number): string {
  const at = new Date(ms);
  const two = (part: number) => String(part).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}
