/** What a mail's link, or the end of a sign-in elsewhere, has told this page behind the #. It is taken out of the
 * address at once, so that neither the history nor a glance at the screen keeps a token. */
export function takeHash(): URLSearchParams {
  const told = new URLSearchParams(location.hash.slice(1));
  if (location.hash) history.replaceState(history.state, "", location.pathname + location.search);
  return told;
}

/** A page of this site to go on to; the dashboard for anything else. */
export function safeNext(path: string | null): string {
  return path && /^\/(?![/\\])[^\\\s]*$/.test(path) ? path : "/dashboard";
}
