import type { components } from "@/api/schema";
import type { Tone } from "@/ui/StatusBadge";

export type Key = components["schemas"]["KeyAnswer"];
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
