import type { components } from "@/api/schema";
import type { Tone } from "@/ui/StatusBadge";

/** How each state of a model looks. */
export const TONES: Record<components["schemas"]["StatusModel"]["state"], Tone> = {
  up: "good",
  impaired: "warn",
  down: "bad",
  quiet: "quiet",
};
