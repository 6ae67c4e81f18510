import { useInfiniteQuery, type QueryKey } from "@tanstack/react-query";

/** One page of a list as every list of the API answers it; `next` is empty on the last page. */
interface Slice<T> {
  items: T[];
  next: string;
}

/** A list that `DataTable` shows: what is loaded so far, and how to load more. */
export interface List<T> {
  items: T[];
  isLoading: boolean;
  error: Error | null;
  hasMore: boolean;
  isLoadingMore: boolean;
  loadMore: () => void;
  refetch: () => void;
}

/** Reads a list slice by slice: `read` gets the cursor, undefined at first. Filters belong into `key`. */
export function useList<T, S extends Slice<T> = Slice<T>>(
  key: QueryKey,
  read: (after: string | undefined) => Promise<S & Slice<T>>,
  options: { refetchMs?: number } = {},
): List<T> & { slices: S[] } {
  const query = useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam }) => read(pageParam || undefined),
    initialPageParam: "",
    getNextPageParam: (slice) => slice.next || undefined,
    refetchInterval: options.refetchMs ?? false,
  });
  const slices = query.data?.pages ?? [];
  return {
    slices,
    items: slices.flatMap((slice) => slice.items),
    isLoading: query.isPending,
    error: query.error,
    hasMore: query.hasNextPage,
    isLoadingMore: query.isFetchingNextPage,
    loadMore: () => void query.fetchNextPage(),
    refetch: () => void query.refetch(),
  };
}

const THERE = { error: null, isPending: false, refetch: () => {} };

/** A list that is there as a whole, in the shape that `DataTable` takes; `query` is what it is read by. */
export function wholeList<T>(
  items: readonly T[] | undefined,
  query: { error: Error | null; isPending: boolean; refetch: () => unknown } = THERE,
): List<T> {
  return {
    items: [...(items ?? [])],
    isLoading: query.isPending,
    error: query.error,
    hasMore: false,
    isLoadingMore: false,
    loadMore: () => {},
    refetch: () => void query.refetch(),
  };
}
