import { Skeleton } from "@mantine/core";

/** What stands where a page is being fetched. */
export function PageSkeleton() {
  return (
    <div aria-busy="true">
      <Skeleton height={24} width="min(16rem, 60%)" mb="xl" />
      <Skeleton height={14} mb="sm" />
      <Skeleton height={14} mb="sm" />
      <Skeleton height={14} width="80%" />
    </div>
  );
}
