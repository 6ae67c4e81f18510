import { lazy, Suspense, type ReactElement } from "react";

const Tooltip = lazy(() => import("./HintTooltip"));

/** Words that come up over `children`, which takes a ref. What places them is fetched with the first hint. */
export function Hint({ label, children }: { label: string; children: ReactElement }) {
  return (
    <Suspense fallback={children}>
      <Tooltip label={label}>{children}</Tooltip>
    </Suspense>
  );
}
