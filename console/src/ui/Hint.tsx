import { lazy, Suspense, type ReactElement } from "react";

const Tooltip = lazy(() => import("./HintTooltip"));

const EVENTS = { hover: true, focus: true, touch: true }; // a phone has no pointer to rest on them

/** Words that come up over `children`, which takes a ref. What places them is fetched with the first hint. */
export function Hint({ label, children }: { label: string; children: ReactElement }) {
  return (
    <Suspense fallback={children}>
      <Tooltip label={label} events={EVENTS}>{children}</Tooltip>
    </Suspense>
  );
}
