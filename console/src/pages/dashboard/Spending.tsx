import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import type { components } from "@/api/schema";
import { Chart, type Series } from "@/ui/Chart";
import { Choice } from "@/ui/Choice";
import { EmptyState } from "@/ui/EmptyState";
import { Loaded } from "@/ui/Loaded";
import { useMoney } from "@/ui/Money";
import { Section } from "@/ui/Page";
import { TIME_ZONE } from "@/ui/Time";
import styles from "./Dashboard.module.css";

type Answer = components["schemas"]["SeriesAnswer"];
type Measure = "charge" | "requests" | "tokens" | "errors";
type By = "model" | "key" | "";
type Range = "day" | "week" | "month" | "year";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const RANGES: Record<Range, { step: "hour" | "day" | "month"; backMs: number }> = {
  day: { step: "hour", backMs: 23 * HOUR_MS },
  week: { step: "day", backMs: 6 * DAY_MS },
  month: { step: "day", backMs: 29 * DAY_MS },
  year: { step: "month", backMs: 335 * DAY_MS },
};
const MEASURES: Measure[] = ["charge", "requests", "tokens", "errors"];
const LOOKS: Record<"hour" | "day" | "month", Intl.DateTimeFormatOptions> = {
  hour: { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  day: { month: "short", day: "numeric", weekday: "short" },
  month: { year: "numeric", month: "long" },
};
const REFRESH_MS = 60_000;

/** What was used, over time: by model, by key, or all together. */
export function Spending() {
  const { t, i18n } = useTranslation("dashboard");
  const money = useMoney();
  const [chosen, setMeasure] = useState<Measure | null>(null);
  const [by, setBy] = useState<By>("model");
  const [range, setRange] = useState<Range>("month");
  const { step, backMs } = RANGES[range];
  const query = useQuery({
    queryKey: ["dashboard-series", range, by],
    queryFn: () => {
      const now = Date.now();
      const asked = { from_ms: now - backMs, to_ms: now, step, by, time_zone: TIME_ZONE };
      return take(api.GET("/api/v1/usage/series", { params: { query: asked } }));
    },
    placeholderData: keepPreviousData,
    refetchInterval: REFRESH_MS,
  });
  const isFree = query.data !== undefined && Number(query.data.total.charge) === 0; // then what was spent draws nothing
  const measure = chosen ?? (isFree ? "requests" : "charge");
  const format = (value: number) =>
    measure === "charge"
      ? money(value.toFixed(9))
      : new Intl.NumberFormat(i18n.language, { notation: "compact", maximumFractionDigits: 1 }).format(value);
  return (
    <Section title={t("used")}>
      <div className={styles.choices}>
        <Choice size="xs" label={t("measure")} value={measure} onChange={setMeasure} of={MEASURES.map((one) => [one, t(`measures.${one}`)])} />
        <Choice
          size="xs"
          label={t("by")}
          value={by || "all"}
          onChange={(chosen) => setBy(chosen === "all" ? "" : chosen)}
          of={[
            ["model", t("by_model")],
            ["key", t("by_key")],
            ["all", t("by_nothing")],
          ]}
        />
        <Choice
          size="xs"
          label={t("range")}
          value={range}
          onChange={setRange}
          of={(Object.keys(RANGES) as Range[]).map((one) => [one, t(`ranges.${one}`)])}
        />
      </div>
      <Loaded query={query}>
        {(answer) =>
          answer.total.requests === 0 ? (
            <EmptyState title={t("nothing_used")}>{t("nothing_used_text")}</EmptyState>
          ) : (
            <Chart
              label={t("used")}
              times={answer.starts_ms}
              series={seriesOf(answer, measure, { others: t("others"), all: t("by_nothing") })}
              format={format}
              formatTime={(ms) => new Intl.DateTimeFormat(i18n.language, LOOKS[step]).format(ms)}
              height={240}
            />
          )
        }
      </Loaded>
    </Section>
  );
}

/** A line for each group, with a name of its own: two keys may be called the same. */
function seriesOf(answer: Answer, measure: Measure, words: { others: string; all: string }): Series[] {
  const seen = new Map<string, number>();
  return answer.groups.map((group) => {
    const isAll = answer.groups.length === 1 && !group.name;
    const name = isAll ? words.all : group.name ? group.label : words.others;
    const before = seen.get(name) ?? 0;
    seen.set(name, before + 1);
    return { label: before ? `${name} (${before + 1})` : name, values: valuesOf(group.points, measure) };
  });
}

function valuesOf(points: components["schemas"]["Points"], measure: Measure): number[] {
  if (measure === "charge") return points.charge.map(Number); // only to draw with
  if (measure === "tokens") return points.prompt_tokens.map((tokens, index) => tokens + points.completion_tokens[index]!);
  return points[measure];
}
