import { useMemo, useState } from "react";
import { useAddress } from "@/ui/address";
import { startOfDay } from "@/ui/days";
import { ENDINGS, type Ending } from "./types";

export type Period = "day" | "week" | "month" | "quarter" | "own";
export const PERIODS: Period[] = ["day", "week", "month", "quarter", "own"];
const DAYS: Record<Exclude<Period, "own">, number> = { day: 1, week: 7, month: 30, quarter: 90 };
const QUARTER_HOUR_MS = 900_000;
const DAY_MS = 86_400_000;
const HOURLY_DAYS = 3; // a longer time is drawn by day, one of years by month
const DAILY_DAYS = 366;

export const FILTERS = ["key_id", "model", "ending", "channel", "account", "status"] as const;
export type Filter = (typeof FILTERS)[number];

/** What the page shows: a time, and filters. It stands in the address, so that it can be kept and sent. */
export interface Wanted {
  period: Period;
  from: string; // days as date fields have them, of the period "own"
  to: string;
  filters: Record<Filter, string>;
}

export interface Span {
  from_ms: number;
  to_ms: number;
  step: "hour" | "day" | "month";
  isOpen: boolean; // it reaches to now
}

export function useWanted() {
  const { text, set } = useAddress();
  const period = PERIODS.find((one) => one === text("period")) ?? "month";
  const wanted: Wanted = {
    period,
    from: text("from"),
    to: text("to"),
    filters: Object.fromEntries(FILTERS.map((name) => [name, text(name)])) as Record<Filter, string>,
  };
  const [openedMs] = useState(() => Date.now());
  const span = useMemo(() => spanOf(wanted, openedMs), [wanted.period, wanted.from, wanted.to, openedMs]);
  return { wanted, set, span };
}

function spanOf({ period, from, to }: Pick<Wanted, "period" | "from" | "to">, nowMs: number): Span {
  const until = Math.ceil((nowMs + 1) / QUARTER_HOUR_MS) * QUARTER_HOUR_MS;
  if (period === "own" && from) {
    const from_ms = Math.max(0, startOfDay(from));
    const end = to ? startOfDay(to, 1) : until;
    const to_ms = Math.max(from_ms + DAY_MS, end);
    return { from_ms, to_ms, step: stepOf(to_ms - from_ms), isOpen: to_ms >= until };
  }
  const days = period === "own" ? DAYS.month : DAYS[period];
  if (days === 1) {
    const from_ms = Math.floor((nowMs - 23 * 3_600_000) / 3_600_000) * 3_600_000;
    return { from_ms, to_ms: until, step: "hour", isOpen: true };
  }
  const first = new Date(nowMs);
  first.setHours(0, 0, 0, 0);
  first.setDate(first.getDate() - days + 1);
  return { from_ms: first.getTime(), to_ms: until, step: "day", isOpen: true };
}

function stepOf(lengthMs: number): Span["step"] {
  const days = lengthMs / DAY_MS;
  return days <= HOURLY_DAYS ? "hour" : days <= DAILY_DAYS ? "day" : "month";
}

/** The filters as the API takes them for a list. */
export function queryOf(wanted: Wanted, span: Span) {
  const { key_id, model, ending, status } = wanted.filters;
  return {
    key_id: key_id || undefined,
    model: model || undefined,
    ending: ENDINGS.find((one): one is Ending => one === ending),
    http_status: /^[1-9]\d{0,2}$/.test(status) ? Number(status) : undefined,
    from_ms: span.from_ms,
    to_ms: span.isOpen ? undefined : span.to_ms,
  };
}
