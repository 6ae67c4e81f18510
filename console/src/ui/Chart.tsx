import { Skeleton } from "@mantine/core";
import { lazy, Suspense } from "react";

const Drawn = lazy(() => import("./ChartPlot"));

export interface Series {
  label: string;
  values: (number | null)[]; // null: nothing known at this moment
  colour?: string; // a variable's name, where it means something: "--bad"
}

export interface ChartProps {
  label: string; // what the chart shows, for screen readers
  times: number[]; // ms, ascending: the start of each bucket
  series: Series[];
  kind?: "bars" | "lines"; // bars are stacked
  format: (value: number) => string;
  formatTime?: (ms: number) => string;
  height?: number;
}

/** A chart over time, with its values as a table for who cannot see it. Drawn by uPlot, fetched when first used. */
export function Chart(props: ChartProps) {
  return (
    <Suspense fallback={<Skeleton height={props.height ?? 220} aria-busy />}>
      <Drawn {...props} />
    </Suspense>
  );
}
