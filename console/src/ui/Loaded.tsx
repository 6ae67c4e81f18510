import type { ReactNode } from "react";
import { Problem } from "@/api/problems";
import { MissingPage } from "@/app/FailedPage";
import { ErrorNote } from "./ErrorNote";
import { Page } from "./Page";
import { PageSkeleton } from "./PageSkeleton";

interface Query<T> {
  data: T | undefined;
  error: Error | null;
  refetch: () => unknown;
}

interface Props<T> {
  query: Query<T>;
  waiting?: ReactNode; // what stands there until then
  children: (data: T) => ReactNode;
}

/** What a query has read; until then a skeleton, or why it failed and a way to try again. What was read stays when
 * reading it anew fails. */
export function Loaded<T>({ query, waiting = <PageSkeleton />, children }: Props<T>) {
  if (query.data !== undefined) return children(query.data);
  return query.error ? <ErrorNote error={query.error} onRetry={() => void query.refetch()} /> : waiting;
}

/** The same for a whole page, whose `title` stands over an error; what the API does not know is a missing page. */
export function LoadedPage<T>({ title, query, children }: { title: string; query: Query<T>; children: (data: T) => ReactNode }) {
  if (query.error instanceof Problem && query.error.status === 404) return <MissingPage />;
  if (query.data === undefined && query.error) {
    return (
      <Page title={title}>
        <Loaded query={query}>{children}</Loaded>
      </Page>
    );
  }
  return <Loaded query={query}>{children}</Loaded>;
}
