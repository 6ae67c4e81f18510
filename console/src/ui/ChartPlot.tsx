import { useComputedColorScheme } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { ChartProps, Series } from "./Chart";
import { formatTime } from "./Time";
import styles from "./Chart.module.css";

const SERIES_COLOURS = 6;
const MONTH_S = 28 * 86_400;
const TICKS_MAX = 8;

function variable(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function colour(series: Series, index: number): string {
  return series.colour ?? `--series-${(index % SERIES_COLOURS) + 1}`;
}

/** Each series on the shoulders of those before it. */
function stacked(rows: (number | null)[][]): (number | null)[][] {
  const sums: number[] = [];
  return rows.map((row) => row.map((value, index) => (sums[index] = (sums[index] ?? 0) + (value ?? 0))));
}

function optionsOf(props: ChartProps, width: number, locale: string, onHover: (index: number | null) => void): uPlot.Options {
  const { series, kind = "bars", format, height = 220 } = props;
  const soft = variable("--soft");
  const line = variable("--line");
  const font = `11px ${getComputedStyle(document.body).fontFamily}`;
  const axis = { stroke: soft, font, ticks: { show: false } };
  const drawn = series.map((one, index): uPlot.Series => {
    const tint = variable(colour(one, index));
    return kind === "bars"
      ? { label: one.label, stroke: tint, fill: tint, width: 0, points: { show: false }, paths: uPlot.paths.bars!({ size: [0.72, 36] }) }
      : { label: one.label, stroke: tint, width: 1.75, points: { show: true, size: 4, fill: tint, width: 0, filter: alone } };
  });
  return {
    width,
    height,
    legend: { show: false },
    padding: [10, 20, 0, 0], // the last time stands half beyond the axis
    cursor: { y: false, points: { show: kind === "lines" }, drag: { x: false, y: false } },
    scales: {
      x: { range: rangeOf(props.times, kind) },
      y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.08 : 1] },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 26,
        space: 64,
        ...(stepOf(props.times) >= MONTH_S || props.times.length === 1 ? { splits: splitsOf(props.times) } : {}),
        values: (_plot, ticks, _axis, _space, step) => ticks.map((tick) => tickText(tick * 1000, Math.max(step, stepOf(props.times)), locale)),
      },
      { ...axis, grid: { stroke: line, width: 1 }, size: widthOf, space: 38, values: (_plot, ticks) => ticks.map(format) },
    ],
    series: [{}, ...(kind === "bars" ? drawn.reverse() : drawn)], // the tallest of a stack is drawn first
    hooks: { setCursor: [(plot) => onHover(plot.cursor.idx ?? null)] },
  };
}

/** How wide the longest of an axis's values is, in digits of 11 px. */
function widthOf(_plot: uPlot, values: string[] | null): number {
  return Math.max(62, 18 + 6.5 * Math.max(0, ...(values ?? []).map((value) => value.length)));
}

/** How long the last step is, taken from the one before it; seconds. */
function stepOf(times: number[]): number {
  return times.length > 1 ? (times[times.length - 1]! - times[times.length - 2]!) / 1000 : 86_400;
}

/** Values that no line leads to or from: they are drawn as points. */
function alone(plot: uPlot, series: number): number[] {
  const values = plot.data[series]!;
  return [...values.keys()].filter((at) => values[at] != null && values[at - 1] == null && values[at + 1] == null);
}

/** From the first time to the last. Bars stand over their times, the first and the last as wide as the others; a single
 * time stands in the middle. */
function rangeOf(times: number[], kind: "bars" | "lines"): () => uPlot.Range.MinMax {
  const room = kind === "bars" || times.length === 1 ? stepOf(times) / 2 : 0;
  return () => [(times[0] ?? 0) / 1000 - room, (times[times.length - 1] ?? 0) / 1000 + room];
}

/** Ticks at the times themselves, at most TICKS_MAX of them. */
function splitsOf(times: number[]): () => number[] {
  const every = Math.ceil(times.length / TICKS_MAX);
  return () => times.filter((_, at) => at % every === 0).map((ms) => ms / 1000);
}

function tickText(ms: number, stepS: number, locale: string): string {
  const look: Intl.DateTimeFormatOptions =
    stepS >= MONTH_S ? { year: "2-digit", month: "short" } : stepS >= 86_400 ? { month: "short", day: "numeric" } : { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return new Intl.DateTimeFormat(locale, look).format(ms);
}

function dataOf({ times, series, kind = "bars" }: ChartProps): uPlot.AlignedData {
  const rows = series.map((one) => one.values);
  return [times.map((ms) => ms / 1000), ...(kind === "bars" ? stacked(rows).reverse() : rows)] as uPlot.AlignedData;
}

export default function ChartPlot(props: ChartProps) {
  const { label, times, series, height = 220 } = props;
  const { i18n } = useTranslation();
  const scheme = useComputedColorScheme();
  const { ref: sizeRef, width } = useElementSize();
  const box = useRef<HTMLDivElement>(null);
  const [hovered, setHovered] = useState<number | null>(null);

  useEffect(() => {
    if (!box.current || width === 0) return;
    const plot = new uPlot(optionsOf(props, width, i18n.language, setHovered), dataOf(props), box.current);
    return () => plot.destroy();
    // Drawn anew when the data, the width, the language or the colours are others; not when a parent renders.
  }, [JSON.stringify([times, series, props.kind, height]), width, scheme, i18n.language]);

  const when = props.formatTime ?? ((ms: number) => formatTime(ms, i18n.language));
  return (
    <figure className={styles.figure}>
      <div ref={sizeRef} role="img" aria-label={label} className={styles.plot} style={{ height }}>
        <div ref={box} />
      </div>
      <figcaption className={styles.legend}>
        {series.map((one, index) => (
          <span key={one.label}>
            <i style={{ background: `var(${colour(one, index)})` }} />
            {one.label}
            {hovered !== null && one.values[hovered] != null && <b>{props.format(one.values[hovered]!)}</b>}
          </span>
        ))}
        {hovered !== null && times[hovered] !== undefined && <time>{when(times[hovered]!)}</time>}
      </figcaption>
      <Values {...props} when={when} />
    </figure>
  );
}

function Values({ label, times, series, format, when }: ChartProps & { when: (ms: number) => string }) {
  const { t } = useTranslation();
  return (
    <details className={styles.values}>
      <summary>{t("as_table")}</summary>
      <div className={styles.scroll} tabIndex={0} role="group" aria-label={label}>
        <table>
          <thead>
            <tr>
              <th scope="col">{t("time")}</th>
              {series.map((one) => (
                <th key={one.label} scope="col">
                  {one.label}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {times.map((ms, index) => (
              <tr key={ms}>
                <th scope="row">{when(ms)}</th>
                {series.map((one) => (
                  <td key={one.label}>{one.values[index] == null ? "" : format(one.values[index]!)}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}
