import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, take } from "./client";
import type { Session } from "./session";

/** Ends the session, or the look at a member's pages, and shows what comes then. */
export function useSignOut(session: Session) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (): Promise<unknown> =>
      session.is_view_only ? take(api.DELETE("/api/v1/session/view")) : take(api.DELETE("/api/v1/session")),
    onSettled: () => {
      client.clear(); // nothing of the account stays for who comes next
      location.assign(session.is_view_only ? "/admin/members" : "/");
    },
  });
}
