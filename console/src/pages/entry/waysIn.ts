import { useQuery } from "@tanstack/react-query";
import { api, take } from "@/api/client";

export type WaysIn = Awaited<ReturnType<typeof readWaysIn>>;

function readWaysIn() {
  return take(api.GET("/api/v1/ways-in"));
}

/** How to sign in and register here. */
export function useWaysIn() {
  return useQuery({ queryKey: ["ways-in"], queryFn: readWaysIn, staleTime: 300_000 });
}

/** Off to the provider; the page is left. */
export async function leaveFor(provider: string, next: string, code: string): Promise<void> {
  const { url } = await take(api.POST("/api/v1/sign-in/elsewhere", { body: { provider, next, code } }));
  location.assign(url);
}
