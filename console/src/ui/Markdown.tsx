import { lazy, Suspense } from "react";
import { PageSkeleton } from "./PageSkeleton";

const Rendered = lazy(() => import("./MarkdownText"));

/** Text that people wrote. HTML in it is shown as text, links to scripts are dropped. */
export function Markdown({ children }: { children: string }) {
  return (
    <Suspense fallback={<PageSkeleton />}>
      <Rendered>{children}</Rendered>
    </Suspense>
  );
}
