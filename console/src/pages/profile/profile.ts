import { useQuery, useQueryClient } from "@tanstack/react-query";
import { api, take } from "@/api/client";

export type Profile = Awaited<ReturnType<typeof readProfile>>;

function readProfile() {
  return take(api.GET("/api/v1/profile"));
}

export function useProfile() {
  return useQuery({ queryKey: ["profile"], queryFn: readProfile });
}

/** Read the profile anew, and everything under it. */
export function useRefreshProfile(): () => Promise<void> {
  const client = useQueryClient();
  return () => client.invalidateQueries({ queryKey: ["profile"] });
}
