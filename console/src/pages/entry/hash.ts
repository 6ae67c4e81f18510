import { useEffect, useState } from "react";
import { useLocation } from "react-router";

/** What a mail's link, or the end of a sign-in elsewhere, has told this page behind the #. It is taken out of the
 * address once the page stands, so that neither the history nor a glance at the screen keeps a token. */
export function useHash(): URLSearchParams {
  const { hash } = useLocation();
  const [told, setTold] = useState(() => new URLSearchParams(hash.slice(1)));
  useEffect(() => {
    if (!hash) return;
    setTold(new URLSearchParams(hash.slice(1))); // a link that was opened while its page stood already
    history.replaceState(history.state, "", location.pathname + location.search);
  }, [hash]);
  return told;
}

/** A page of this site to go on to; the dashboard for anything else. */
export function safeNext(path: string | null): string {
  return path && /^\/(?![/\\])[^\\\s]*$/.test(path) ? path : "/dashboard";
}
