import createClient, { type Middleware } from "openapi-fetch";
import { language } from "@/app/i18n";
import { Problem, Unreachable, type ProblemBody } from "./problems";
import type { paths } from "./schema";

const SAFE = new Set(["GET", "HEAD", "OPTIONS"]);

let csrfToken = "";
let onSignedOut: () => void = () => {};

/** The token that every change must carry; the session's answer has it. */
export function setCsrfToken(token: string): void {
  csrfToken = token;
}

/** What happens when the API says that the session is over. */
export function whenSignedOut(listener: () => void): void {
  onSignedOut = listener;
}

/** Headers of a request that is made without `api`, such as a download or a stream. */
export function headersFor(method: string): Record<string, string> {
  const headers: Record<string, string> = { "accept-language": language() };
  if (!SAFE.has(method)) headers["x-csrf-token"] = csrfToken;
  return headers;
}

const headers: Middleware = {
  onRequest({ request }) {
    for (const [name, value] of Object.entries(headersFor(request.method))) request.headers.set(name, value);
    return request;
  },
};

/** The typed API: `api.GET("/api/v1/orders", { params: { query: { limit: 50 } } })`. Wrap it in `take`. */
export const api = createClient<paths>({ baseUrl: "", credentials: "same-origin" });
api.use(headers);

/** The result of a call, or a thrown `Problem` (what the API refused) or `Unreachable`. */
export async function take<T>(
  call: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<NonNullable<T>> {
  let answer;
  try {
    answer = await call;
  } catch {
    throw new Unreachable();
  }
  if (!answer.response.ok) throw problemOf(answer.response, answer.error);
  return answer.data as NonNullable<T>; // undefined only where the API answers 204, whose type says so
}

export function problemOf(response: Response, body: unknown): Problem {
  const known = typeof body === "object" && body !== null && "title" in body;
  const problem = new Problem(
    known ? (body as ProblemBody) : { type: "", title: response.statusText, status: response.status },
    Number(response.headers.get("retry-after")) || null,
  );
  if (problem.status === 401) onSignedOut();
  return problem;
}
