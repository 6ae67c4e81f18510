import { useQuery } from "@tanstack/react-query";
import { api, take } from "@/api/client";
import type { components } from "@/api/schema";

type Schemas = components["schemas"];
export type KnownModel = Schemas["KnownModel"];
export type ModelDefinition = Schemas["ModelDefinition"];
export type Fields = Partial<Schemas["ModelFields"]>;
export type Family = Schemas["FamilyAnswer"];
export type PriceLine = Schemas["PriceLineAnswer"];
export type Official = Schemas["OfficialModelAnswer"];

const ALL = 200;

export function useFamilies() {
  return useQuery({
    queryKey: ["families"],
    queryFn: () => take(api.GET("/api/v1/families", { params: { query: { limit: ALL } } })),
  });
}

/** The definition of that name, asked for by its place in the list: names may have slashes in them. */
export function useDefinition(name: string) {
  return useQuery({
    queryKey: ["model-definitions", "one", name],
    enabled: name !== "",
    queryFn: () => take(api.GET("/api/v1/model-definitions/{name}", { params: { path: { name } } })),
  });
}

/** The price of a plain call's component. */
export function lineOf(lines: PriceLine[] | undefined, component: string): PriceLine | undefined {
  return lines?.find((one) => one.component === component && one.service_tier === "default" && one.prompt_tokens_over === 0);
}
