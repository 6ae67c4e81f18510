import type { UseQueryResult } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Chart, type Series as Line } from "@/ui/Chart";
import { Choice } from "@/ui/Choice";
import { Count } from "@/ui/Count";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import { Money, useMoney } from "@/ui/Money";
import { Section } from "@/ui/Page";
import { Stat, Stats } from "@/ui/Stat";
import type { Series, Sums } from "./types";
import type { Span } from "./wanted";
import styles from "./Usage.module.css";

type Measure = "charge" | "requests" | "tokens";

interface Props<By extends string> {
  query: Pick<UseQueryResult<Series>, "data" | "error" | "refetch">;
  span: Span;
  by: By;
  sides: readonly By[]; // what the bars can be split by
  onBy: (side: By) => void;
}

/** What the calls add up to, and how that went over the time. */
export function SumsAndChart<By extends string>({ query, ...drawn }: Props<By>) {
  const { data, error, refetch } = query;
  return (
    <>
      {error && <ErrorNote error={error} onRetry={() => void refetch()} />}
      {(data || !error) && <Section>{data ? <Drawn series={data} {...drawn} /> : <div className={styles.pending} />}</Section>}
    </>
  );
}

function Drawn<By extends string>({ series, span, by, sides, onBy }: Omit<Props<By>, "query"> & { series: Series }) {
  const { t, i18n } = useTranslation("usage");
  const money = useMoney();
  const [measure, setMeasure] = useState<Measure>("charge");
  const word = (side: string) => t(`by.${side}`);
  const whole = new Intl.NumberFormat(i18n.language, { notation: "compact", maximumFractionDigits: 1 });
  const lines = linesOf(series, measure, t("others"));
  const places = placesOf(Math.max(...series.starts_ms.map((_, at) => lines.reduce((sum, line) => sum + (line.values[at] ?? 0), 0))));
  const format = (value: number) => (measure === "charge" ? money(decimal(value), places) : whole.format(value));
  return (
    <>
      <Totals total={series.total} />
      <div className={styles.choices}>
        <Choice
          size="xs"
          label={t("measure.label")}
          value={measure}
          onChange={setMeasure}
          of={(["charge", "requests", "tokens"] as const).map((one) => [one, t(`measure.${one}`)])}
        />
        <Choice size="xs" label={t("by.label")} value={by} onChange={onBy} of={sides.map((side) => [side, word(side)])} />
      </div>
      {series.total.requests === 0 ? (
        <EmptyState title={t("no_calls_then")} />
      ) : (
        <Chart
          label={t("chart", { measure: t(`measure.${measure}`), by: word(by) })}
          times={series.starts_ms}
          series={lines}
          format={format}
          formatTime={(ms) => formatStep(ms, span.step, i18n.language)}
          height={240}
        />
      )}
    </>
  );
}

function Totals({ total }: { total: Sums }) {
  const { t, i18n } = useTranslation("usage");
  const percent = new Intl.NumberFormat(i18n.language, { style: "percent", maximumFractionDigits: 1 });
  const share = (part: number, all: number) => (all ? percent.format(part / all) : "–");
  return (
    <Stats>
      <Stat label={t("measure.charge")} value={<Money value={total.charge} />} />
      <Stat
        label={t("measure.requests")}
        value={<Count value={total.requests} isShort />}
        note={t("errors", { share: share(total.errors, total.requests) })}
      />
      <Stat label={t("tokens_in")} value={<Count value={total.prompt_tokens} isShort />} note={t("cached", { share: share(total.cached_tokens, total.prompt_tokens) })} />
      <Stat
        label={t("tokens_out")}
        value={<Count value={total.completion_tokens} isShort />}
        note={total.reasoning_tokens ? t("reasoning", { share: share(total.reasoning_tokens, total.completion_tokens) }) : undefined}
      />
    </Stats>
  );
}

function linesOf(series: Series, measure: Measure, others: string): Line[] {
  return series.groups.map((group): Line => {
    const { points } = group;
    const values =
      measure === "charge"
        ? points.charge.map(Number) // drawn, not counted
        : measure === "requests"
          ? points.requests
          : points.prompt_tokens.map((tokens, at) => tokens + points.completion_tokens[at]!);
    return group.name === "" && series.groups.length > 1 ? { label: others, values, colour: "--series-6" } : { label: group.label || others, values };
  });
}

/** A drawn amount as decimal text: to nine places, as the API has them. */
function decimal(value: number): string {
  return value.toFixed(9);
}

/** How many decimals amounts need that are drawn up to a highest one. */
export function placesOf(highest: number): number {
  return highest > 0 ? Math.min(9, Math.max(2, 1 - Math.floor(Math.log10(highest / 2)))) : 2;
}

export function formatStep(ms: number, step: Span["step"], locale: string): string {
  const looks: Record<Span["step"], Intl.DateTimeFormatOptions> = {
    hour: { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
    day: { weekday: "short", year: "numeric", month: "short", day: "numeric" },
    month: { year: "numeric", month: "long" },
  };
  return new Intl.DateTimeFormat(locale, looks[step]).format(ms);
}
