import { useQuery, useQueryClient } from "@tanstack/react-query";
import { api, setCsrfToken, take } from "./client";

/** Who is signed in, and what they may do. */
export type Session = Awaited<ReturnType<typeof readSession>>;

const KEY = ["session"];

function readSession() {
  return take(api.GET("/api/v1/session"));
}

/** The session, or null where nobody is signed in. Also keeps the CSRF token of later changes. */
async function sessionOrNull(): Promise<Session | null> {
  const session = await readSession();
  setCsrfToken(session.csrf_token);
  return session.account_id ? session : null;
}

/** `data` is undefined until it is known, null for a visitor. */
export function useSession() {
  return useQuery({ queryKey: KEY, queryFn: sessionOrNull, staleTime: 60_000, retry: 1 });
}

/** The signed-in member; only for pages of the console's shells, which show nothing before it is known. */
export function useMember(): Session {
  const { data } = useSession();
  if (!data) throw new Error("a page of members was shown to a visitor");
  return data;
}

/** Ask anew who is signed in: after signing in or out, and after a change of one's own profile. */
export function useRefreshSession(): () => Promise<void> {
  const client = useQueryClient();
  return async () => {
    await client.resetQueries({ queryKey: KEY });
  };
}

export function mayUse(session: Session | null | undefined, permission: string | undefined): boolean {
  return !permission || session?.permissions.includes(permission) === true;
}
