import type { UseQueryResult } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { wholeList } from "@/api/lists";
import { Count, formatDuration } from "@/ui/Count";
import { DataTable, type Column } from "@/ui/DataTable";
import { StatusBadge } from "@/ui/StatusBadge";
import styles from "./Channels.module.css";
import type { ModelStanding } from "./data";
import { reasonOf } from "./why";
import { BREAKER_TONES, formatShare } from "./standing";

interface Props {
  models: ModelStanding[];
  standings: Pick<UseQueryResult, "error" | "isPending" | "refetch">;
  atMs: number; // the server's clock when it told
}

/** The breaker of each model that was asked for: its state, why, and how the calls in its window did. */
export function Breakers({ models, standings, atMs }: Props) {
  const { t, i18n } = useTranslation("channels");
  const columns: Column<ModelStanding>[] = [
    { key: "model", title: t("column.model"), isLead: true, render: (one) => one.model },
    {
      key: "state",
      title: t("column.breaker"),
      render: (one) => <StatusBadge tone={BREAKER_TONES[one.state]}>{t(`breaker.${one.state}`)}</StatusBadge>,
    },
    {
      key: "why",
      title: t("column.why"),
      render: (one) => (
        <>
          {reasonOf(one.why, t)}
          {one.until_ms > 0 && <Countdown untilMs={one.until_ms} atMs={atMs} />}
        </>
      ),
    },
    {
      key: "errors",
      title: t("column.errors"),
      align: "right",
      render: (one) => (
        <span className={styles.rate}>
          <i aria-hidden="true">
            <i style={{ width: `${one.error_rate * 100}%` }} />
          </i>
          {one.calls ? formatShare(one.error_rate, i18n.language) : "–"}
        </span>
      ),
    },
    { key: "calls", title: t("column.calls"), align: "right", render: (one) => <Count value={one.calls} /> },
    { key: "in_flight", title: t("column.in_flight"), align: "right", render: (one) => <Count value={one.in_flight} /> },
    { key: "p50", title: t("median"), align: "right", render: (one) => duration(one.ttft_p50_ms, i18n.language) },
    { key: "p99", title: "p99", align: "right", render: (one) => duration(one.ttft_p99_ms, i18n.language) },
  ];
  return (
    <DataTable
      label={t("models_now")}
      list={wholeList(models, standings)}
      columns={columns}
      rowKey={(one) => one.model}
      empty={t("models_none")}
    />
  );
}

function duration(ms: number, locale: string): string {
  return ms ? formatDuration(ms, locale) : "–";
}

const TICK_MS = 1_000;

/** Seconds until an open breaker is tried again; runs down between two looks. */
function Countdown({ untilMs, atMs }: { untilMs: number; atMs: number }) {
  const { t } = useTranslation("channels");
  const [passedMs, setPassedMs] = useState(0);
  useEffect(() => {
    setPassedMs(0);
    const timer = setInterval(() => setPassedMs((ms) => ms + TICK_MS), TICK_MS);
    return () => clearInterval(timer);
  }, [untilMs, atMs]);
  const seconds = Math.max(0, Math.ceil((untilMs - atMs - passedMs) / 1000));
  return <span className={styles.sub}>{t("again_in", { count: seconds })}</span>;
}
