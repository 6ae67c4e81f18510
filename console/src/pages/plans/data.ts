import { useQuery } from "@tanstack/react-query";
import { api, take } from "@/api/client";
import type { components } from "@/api/schema";

type Schemas = components["schemas"];
export type Plan = Schemas["PlanRecord"];
export type Fields = Partial<Schemas["PlanFields"]>;
export type LimitFields = Partial<Schemas["LimitFields"]>;

const ALL = 200;

export function usePlans() {
  return useQuery({
    queryKey: ["plans"],
    queryFn: () => take(api.GET("/api/v1/plans", { params: { query: { limit: ALL } } })),
  });
}

/** One or many, as a list. */
export function many<T>(value: T | T[] | undefined): T[] {
  if (value === undefined || value === "") return [];
  return Array.isArray(value) ? value : [value];
}
