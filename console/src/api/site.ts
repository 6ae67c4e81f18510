import { useQuery } from "@tanstack/react-query";
import { api, take } from "./client";

type Site = Awaited<ReturnType<typeof readSite>>;

function readSite() {
  return take(api.GET("/api/v1/site"));
}

/** The site's name, currency and what it offers; undefined until known. */
export function useSite(): Site | undefined {
  return useQuery({ queryKey: ["site"], queryFn: readSite, staleTime: 300_000 }).data;
}
