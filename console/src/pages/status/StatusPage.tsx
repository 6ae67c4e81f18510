import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import type { components } from "@/api/schema";
import { Choice } from "@/ui/Choice";
import { formatDuration } from "@/ui/Count";
import { EmptyState } from "@/ui/EmptyState";
import { Loaded } from "@/ui/Loaded";
import { Page } from "@/ui/Page";
import { StatusBadge } from "@/ui/StatusBadge";
import { Time } from "@/ui/Time";
import { StepBars } from "./StepBars";
import styles from "./Status.module.css";
import { TONES } from "./states";

type StatusModel = components["schemas"]["StatusModel"];
type Span = "day" | "quarter";

const REFETCH_MS = 60_000;

export default function StatusPage() {
  const { t } = useTranslation("status");
  const [span, setSpan] = useState<Span>("day");
  const query = useQuery({
    queryKey: ["status", span],
    queryFn: () => take(api.GET("/api/v1/status", { params: { query: { span } } })),
    refetchInterval: REFETCH_MS,
    placeholderData: keepPreviousData,
  });
  return (
    <Page
      title={t("title")}
      lead={t("lead")}
      actions={
        <Choice
          label={t("span")}
          value={span}
          onChange={setSpan}
          of={[
            ["day", t("day")],
            ["quarter", t("quarter")],
          ]}
        />
      }
    >
      <Loaded query={query}>
        {(status) => (
          <>
            <Verdict models={status.models} />
            {status.models.length > 0 && (
              <ul className={styles.models}>
                {status.models.map((model) => (
                  <Row key={model.name} model={model} starts={status.starts_ms} isDaily={status.starts_ms.length > 30} />
                ))}
              </ul>
            )}
            <p className={styles.note}>
              {t("made")} <Time ms={status.made_ms} look="seconds" />
            </p>
          </>
        )}
      </Loaded>
    </Page>
  );
}

/** One sentence for who only wants to know whether it works. */
function Verdict({ models }: { models: StatusModel[] }) {
  const { t, i18n } = useTranslation("status");
  if (models.length === 0) return <EmptyState title={t("none")} />;
  if (models.every((model) => model.state === "quiet")) {
    return (
      <p className={styles.verdict} data-tone="quiet">
        {t("all_quiet")}
      </p>
    );
  }
  const ill = models.filter((model) => model.state === "down" || model.state === "impaired");
  const isDown = ill.some((model) => model.state === "down");
  const names = new Intl.ListFormat(i18n.language, { type: "conjunction" }).format(ill.map((model) => model.name));
  return (
    <p className={styles.verdict} data-tone={ill.length === 0 ? "good" : isDown ? "bad" : "warn"}>
      {ill.length === 0 ? t("all_well") : t("some_ill", { names })}
    </p>
  );
}

function Row({ model, starts, isDaily }: { model: StatusModel; starts: number[]; isDaily: boolean }) {
  const { t, i18n } = useTranslation("status");
  const share = model.permille === null ? "–" : formatPermille(model.permille, i18n.language);
  return (
    <li className={styles.model}>
      <div className={styles.head}>
        <h2 className={styles.name}>{model.name}</h2>
        <StatusBadge tone={TONES[model.state]}>{t(`state.${model.state}`)}</StatusBadge>
        <span className={styles.figures}>
          {model.ttft_p50_ms > 0 && (
            <span>{t("ttft", { typical: formatDuration(model.ttft_p50_ms, i18n.language), slow: formatDuration(model.ttft_p95_ms, i18n.language) })}</span>
          )}
          <b>{share}</b>
        </span>
      </div>
      <StepBars name={model.name} steps={model.steps} starts={starts} isDaily={isDaily} />
    </li>
  );
}

export function formatPermille(permille: number, locale: string): string {
  return new Intl.NumberFormat(locale, { style: "percent", minimumFractionDigits: 1 }).format(permille / 1000);
}
