import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { useList } from "@/api/lists";
import type { components } from "@/api/schema";
import { DataTable, type Column } from "@/ui/DataTable";
import { Time } from "@/ui/Time";
import { reasonOf } from "./why";
import styles from "./Channels.module.css";

type Event = components["schemas"]["EventAnswer"];

const REFETCH_MS = 10_000;
const PAGE = 20;

/** What happened to a channel and why, the newest first. */
export function Events({ channel }: { channel: string }) {
  const { t } = useTranslation("channels");
  const events = useList<Event>(
    ["channel-events", channel],
    (after) => take(api.GET("/api/v1/channel-events", { params: { query: { channel, after, limit: PAGE } } })),
    { refetchMs: REFETCH_MS },
  );
  const stateOf = (event: Event, state: string) => {
    const group = event.kind === "breaker" ? "breaker" : event.kind === "credential" ? "pool" : "state";
    return state && t(`${group}.${state === "enabled" && group === "pool" ? "in" : state}`, { defaultValue: state });
  };
  const columns: Column<Event>[] = [
    { key: "when", title: t("common:time"), render: (one) => <Time ms={one.at_ms} look="seconds" /> },
    {
      key: "what",
      title: t("events.what"),
      isLead: true,
      render: (one) => (
        <>
          {one.model || (one.credential ? t("events.credential", { name: one.credential }) : t("events.channel"))}
          <span className={styles.sub}>{t(`events.${one.kind}`)}</span>
        </>
      ),
    },
    {
      key: "change",
      title: t("events.change"),
      render: (one) => (one.before || one.after ? `${stateOf(one, one.before)} → ${stateOf(one, one.after)}` : "–"),
    },
    {
      key: "why",
      title: t("column.why"),
      render: (one) => reasonOf(one.reason, t),
    },
    { key: "by", title: t("events.by"), render: (one) => t(one.is_by_hand ? "events.hand" : "events.relay") },
  ];
  return (
    <DataTable label={t("events.title")} list={events} columns={columns} rowKey={(one) => String(one.id)} empty={t("events.none")} />
  );
}
