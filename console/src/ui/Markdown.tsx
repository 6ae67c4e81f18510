import { lazy, Suspense } from "react";
import { PageSkeleton } from "./PageSkeleton";

const Rendered = lazy(() => import("./MarkdownText"));

interface Props {
  children: string;
  linkTo?: (href: string) => string; // where a link of the text leads here
}

/** Text that people wrote. HTML in it is shown as text, links to scripts are dropped, pictures become their words. */
export function Markdown({ children, linkTo }: Props) {
  return (
    <Suspense fallback={<PageSkeleton />}>
      <Rendered linkTo={linkTo}>{children}</Rendered>
    </Suspense>
  );
}
