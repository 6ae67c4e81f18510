import type { Tone } from "@/ui/StatusBadge";
import type { BreakerState, Channel, Course, CredentialStanding, ModelStanding } from "./data";
import type { components } from "@/api/schema";

type Standings = components["schemas"]["Standings"];

/** How one channel stands in all processes together. */
export interface Standing {
  models: ModelStanding[];
  credentials: CredentialStanding[];
  inFlight: number;
}

const RANK: Record<BreakerState, number> = { closed: 0, ramping: 1, half_open: 2, open: 3 };
export const BREAKERS: BreakerState[] = ["open", "half_open", "ramping", "closed"];
export const BREAKER_TONES: Record<BreakerState, Tone> = { closed: "good", ramping: "warn", half_open: "warn", open: "bad" };
export const POOL_TONES: Record<CredentialStanding["state"], Tone> = { in: "good", trial: "warn", out: "bad", disabled: "quiet" };
export const STATE_TONES: Record<Channel["state"], Tone> = { enabled: "good", draining: "warn", disabled: "quiet" };

export function standingOf(standings: Standings | undefined, channel: string): Standing {
  const own = standings?.items.filter((one) => one.channel === channel) ?? [];
  const models = merged(own.flatMap((one) => one.models), (one) => one.model, together);
  const credentials = merged(own.flatMap((one) => one.credentials), (one) => one.name, (one, other) => ({
    ...(one.state === "in" ? other : one),
    in_flight: one.in_flight + other.in_flight,
    requests: one.requests + other.requests,
    tokens: one.tokens + other.tokens,
    resting: [...new Set([...one.resting, ...other.resting])],
  }));
  return {
    models: models.sort((one, other) => RANK[other.state] - RANK[one.state] || one.model.localeCompare(other.model)),
    credentials,
    inFlight: models.reduce((sum, one) => sum + one.in_flight, 0),
  };
}

/** Two processes' views of one model: the worse state, and what they counted together. */
function together(one: ModelStanding, other: ModelStanding): ModelStanding {
  const worse = RANK[one.state] >= RANK[other.state] ? one : other;
  const calls = one.calls + other.calls;
  return {
    ...worse,
    calls,
    error_rate: calls ? (one.error_rate * one.calls + other.error_rate * other.calls) / calls : 0,
    in_flight: one.in_flight + other.in_flight,
    ttft_p50_ms: Math.max(one.ttft_p50_ms, other.ttft_p50_ms),
    ttft_p99_ms: Math.max(one.ttft_p99_ms, other.ttft_p99_ms),
  };
}

function merged<T>(items: T[], keyOf: (item: T) => string, join: (one: T, other: T) => T): T[] {
  const found = new Map<string, T>();
  for (const item of items) {
    const known = found.get(keyOf(item));
    found.set(keyOf(item), known ? join(known, item) : item);
  }
  return [...found.values()];
}

export interface Figures {
  calls: number;
  failures: number;
  p50: number; // ms, of the last step that has one; 0: unknown
  p95: number;
}

export function figuresOf(course: Course | undefined): Figures {
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
  const last = (values: number[]) => values.findLast((value) => value > 0) ?? 0;
  if (!course) return { calls: 0, failures: 0, p50: 0, p95: 0 };
  return { calls: sum(course.calls), failures: sum(course.failures), p50: last(course.ttft_p50_ms), p95: last(course.ttft_p95_ms) };
}

/** Neighbouring steps added up, so that at most `count` are left to be drawn small. */
export function coarser(course: Course, count: number): { calls: number[]; failures: number[]; p50: number[] } {
  const size = Math.ceil(course.calls.length / count);
  const groups = <T>(values: T[]) => Array.from({ length: Math.ceil(values.length / size) }, (_, at) => values.slice(at * size, (at + 1) * size));
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
  const mean = (values: number[]) => {
    const known = values.filter((value) => value > 0);
    return known.length ? sum(known) / known.length : 0;
  };
  return {
    calls: groups(course.calls).map(sum),
    failures: groups(course.failures).map(sum),
    p50: groups(course.ttft_p50_ms).map(mean),
  };
}

export function formatShare(share: number, locale: string): string {
  const digits = share > 0 && share < 0.1 ? 1 : 0;
  return new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: digits }).format(share);
}
