import type { components } from "@/api/schema";

export type Call = components["schemas"]["Call"];
export type SiteCall = components["schemas"]["SiteCall"];
export type CallDetail = components["schemas"]["CallDetail"];
export type SiteCallDetail = components["schemas"]["SiteCallDetail"];
export type Sums = components["schemas"]["UsageSums"];
export type Series = components["schemas"]["SeriesAnswer"];
export type Ending = Call["ending"];

export const ENDINGS: Ending[] = ["completed", "cancelled", "broken", "failed"];

/** The operator knows of a call which channel answered it. */
export function isOfSite(call: Call | SiteCall): call is SiteCall {
  return "channel" in call;
}
