import { useInfiniteQuery, type QueryKey } from "@tanstack/react-query";
import type { List } from "@/api/lists";

interface Page<T> {
  items: T[];
  next: string;
  searched_ms?: number | null;
}

/** A list of calls, whose pages may end short and then tell how far back they looked. */
export function useCalls<T>(key: QueryKey, read: (after: string | undefined) => Promise<Page<T>>) {
  const query = useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam }) => read(pageParam || undefined),
    initialPageParam: "",
    getNextPageParam: (page) => page.next || undefined,
  });
  const pages = query.data?.pages ?? [];
  const list: List<T> = {
    items: pages.flatMap((page) => page.items),
    isLoading: query.isPending,
    error: query.error,
    hasMore: query.hasNextPage,
    isLoadingMore: query.isFetchingNextPage,
    loadMore: () => void query.fetchNextPage(),
    refetch: () => void query.refetch(),
  };
  return { list, pages: pages.length, searchedMs: pages.at(-1)?.searched_ms ?? null };
}
