import { useTranslation } from "react-i18next";
import { formatDuration } from "@/ui/Count";
import type { Course } from "./data";
import styles from "./Channels.module.css";
import { coarser, figuresOf, formatShare } from "./standing";

const BARS = 48;
const HEIGHT = 24;

/** Calls over a time as bars, the failed ones from the bottom in red. */
export function FailureBars({ course }: { course: Course | undefined }) {
  const { t, i18n } = useTranslation("channels");
  const { calls, failures } = figuresOf(course);
  if (!course || calls === 0) return <span className={styles.none}>–</span>;
  const steps = coarser(course, BARS);
  const highest = Math.max(...steps.calls);
  const label = t("failed_of", { failures, calls });
  return (
    <span className={styles.spark}>
      <svg viewBox={`0 0 ${steps.calls.length * 3} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}>
        {steps.calls.map((value, at) => {
          const whole = value ? Math.max(1.5, (value / highest) * HEIGHT) : 0;
          const failed = value ? Math.max(steps.failures[at]! > 0 ? 1.5 : 0, (steps.failures[at]! / value) * whole) : 0;
          return (
            <g key={at}>
              <rect x={at * 3} y={HEIGHT - whole} width="2.2" height={whole - failed} className={styles.well} />
              <rect x={at * 3} y={HEIGHT - failed} width="2.2" height={failed} className={styles.failed} />
            </g>
          );
        })}
      </svg>
      <span className={styles.figure} data-tone={failures / calls >= 0.05 ? "bad" : undefined}>
        {formatShare(failures / calls, i18n.language)}
      </span>
    </span>
  );
}

/** The median time to the first byte as a line; it is broken where nothing was measured. */
export function TtftLine({ course }: { course: Course | undefined }) {
  const { t, i18n } = useTranslation("channels");
  const { p50, p95 } = figuresOf(course);
  if (!course || p50 === 0) return <span className={styles.none}>–</span>;
  const values = coarser(course, BARS).p50;
  const highest = Math.max(...values);
  const y = (value: number) => HEIGHT - 2 - (value / highest) * (HEIGHT - 4);
  const path = values.map((value, at) => (value ? `${at && values[at - 1] ? "L" : "M"}${at * 3} ${y(value).toFixed(1)}h0.01` : "")).join("");
  const label = t("ttft_now", { p50: formatDuration(p50, i18n.language), p95: formatDuration(p95, i18n.language) });
  return (
    <span className={styles.spark}>
      <svg viewBox={`-1 0 ${values.length * 3} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}>
        <path d={path} className={styles.line} />
      </svg>
      <span className={styles.figure}>{formatDuration(p50, i18n.language)}</span>
    </span>
  );
}
