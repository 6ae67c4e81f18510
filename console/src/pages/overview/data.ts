import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { api, take } from "@/api/client";
import type { components } from "@/api/schema";
import { TIME_ZONE } from "@/ui/Time";

type Schemas = components["schemas"];
export type Overview = Schemas["Overview"];
export type SiteSums = Schemas["SiteSums"];
export type Course = Schemas["Course"];
export type Leaders = Schemas["Leaders"];
export type LiveMinutes = Schemas["LiveMinutes"];
export type Books = Schemas["BooksAnswer"];
export type Proof = Schemas["ProofAnswer"];
export type Span = "day" | "month" | "quarter";
export const SPANS: Span[] = ["day", "month", "quarter"];

const LIVE_MS = 5_000;
const GLANCE_MS = 10_000;
const COURSE_MS = 60_000;
const PROOF_MS = 1_000; // while one runs

export function useOverview() {
  return useQuery({
    queryKey: ["overview"],
    queryFn: () => take(api.GET("/api/v1/admin/overview", { params: { query: { time_zone: TIME_ZONE } } })),
    refetchInterval: GLANCE_MS,
  });
}

export function useMinutes() {
  return useQuery({
    queryKey: ["overview", "minutes"],
    queryFn: () => take(api.GET("/api/v1/admin/overview/minutes")),
    refetchInterval: LIVE_MS,
  });
}

export function useCourse(span: Span) {
  return useQuery({
    queryKey: ["overview", "course", span],
    queryFn: () => take(api.GET("/api/v1/admin/overview/course", { params: { query: { span, time_zone: TIME_ZONE } } })),
    refetchInterval: COURSE_MS,
    placeholderData: keepPreviousData,
  });
}

export function useLeaders(span: Span) {
  return useQuery({
    queryKey: ["overview", "leaders", span],
    queryFn: () => take(api.GET("/api/v1/admin/overview/leaders", { params: { query: { span, time_zone: TIME_ZONE } } })),
    refetchInterval: COURSE_MS,
    placeholderData: keepPreviousData,
  });
}

export function useBooks() {
  return useQuery({
    queryKey: ["books"],
    queryFn: () => take(api.GET("/api/v1/admin/reconciliation", { params: { query: { time_zone: TIME_ZONE } } })),
  });
}

export function useProof() {
  return useQuery({
    queryKey: ["proof"],
    queryFn: () => take(api.GET("/api/v1/admin/reconciliation/proof")),
    refetchInterval: (query) => (query.state.data?.state === "running" ? PROOF_MS : false),
  });
}

/** What of the revenue is left: a share of one, or null where there is none. */
export function marginOf(sums: Pick<SiteSums, "charge" | "cost">): number | null {
  const revenue = Number(sums.charge);
  return revenue > 0 ? (revenue - Number(sums.cost)) / revenue : null;
}

/** By how much a figure is above another, as a share of that; null where there was nothing. */
export function growth(now: number, before: number): number | null {
  return before > 0 ? now / before - 1 : null;
}
