import { Loader, UnstyledButton } from "@mantine/core";
import type { TFunction } from "i18next";
import { useEffect } from "react";
import { useTranslation } from "react-i18next";
import type { List } from "@/api/lists";
import { Count, formatDuration } from "@/ui/Count";
import { DataTable, type Column } from "@/ui/DataTable";
import { MemberLink } from "@/ui/MemberLink";
import { Money } from "@/ui/Money";
import { StatusBadge, type Tone } from "@/ui/StatusBadge";
import { Time } from "@/ui/Time";
import { isOfSite, type Call, type SiteCall } from "./types";
import styles from "./Usage.module.css";

const SHOWN_MIN = 50; // rows before the page stops to look further back by itself
const STEPS_MAX = 60; // of looking back; then somebody has to ask for more

interface Props {
  list: List<Call | SiteCall> & { slices: { searched_ms?: number | null }[] };
  isOfSite?: boolean;
  onOpen: (requestId: string) => void;
}

/** The calls, newest first. Where few match, it looks further back by itself and says how far it is. */
export function CallTable({ list, isOfSite: ofSite, onOpen }: Props) {
  const { t, i18n } = useTranslation("usage");
  const pages = list.slices.length;
  const searchedMs = list.slices.at(-1)?.searched_ms ?? null; // how far back was looked so far, where a page ended short
  const looksOn = list.hasMore && searchedMs !== null && list.items.length < SHOWN_MIN && pages < STEPS_MAX && !list.error;
  useEffect(() => {
    if (looksOn && !list.isLoadingMore) list.loadMore();
  }, [looksOn, list.isLoadingMore, pages]);
  const longest = Math.max(1, ...list.items.map((call) => call.duration_ms));
  return (
    <>
      <DataTable
        label={t("calls")}
        list={looksOn ? { ...list, hasMore: false, isLoading: list.isLoading || list.items.length === 0 } : list}
        columns={columnsOf(t, i18n.language, longest, ofSite ?? false, onOpen)}
        rowKey={(call) => call.request_id}
        empty={t("no_calls")}
        onRow={(call) => onOpen(call.request_id)}
      />
      {searchedMs !== null && list.hasMore && (
        <div className={styles.searched} role="status">
          {looksOn && <Loader size={14} />}
          {t("searched")} <Time ms={searchedMs} />
        </div>
      )}
    </>
  );
}

function columnsOf(t: TFunction<"usage">, locale: string, longest: number, ofSite: boolean, onOpen: (id: string) => void): Column<Call | SiteCall>[] {
  const all: (Column<Call | SiteCall> | false)[] = [
    { key: "time", title: t("common:time"), render: (call) => <Time ms={call.started_ms} look="seconds" /> },
    {
      key: "model",
      title: t("model"),
      isLead: true,
      render: (call) => (
        <UnstyledButton
          className={styles.model}
          onClick={(event) => {
            event.stopPropagation();
            onOpen(call.request_id);
          }}
        >
          {call.model}
        </UnstyledButton>
      ),
    },
    ofSite && { key: "account", title: t("account"), render: (call) => isOfSite(call) && <MemberLink id={call.account_id} email={call.email} /> },
    { key: "key", title: t("key"), render: (call) => <span className={styles.soft}>{call.key_kind === "playground" ? t("playground") : call.key_name}</span> },
    ofSite && { key: "channel", title: t("channel"), render: (call) => isOfSite(call) && <span className={styles.soft}>{call.channel || "–"}</span> },
    { key: "tokens", title: t("tokens"), align: "right", render: (call) => <Tokens call={call} /> },
    { key: "charge", title: t("charge"), align: "right", render: (call) => <Money value={call.charge} /> },
    ofSite && { key: "cost", title: t("cost"), align: "right", render: (call) => isOfSite(call) && <Money value={call.cost} /> },
    { key: "duration", title: t("duration"), align: "right", render: (call) => <Duration call={call} longest={longest} locale={locale} /> },
    { key: "status", title: t("status"), render: (call) => <Ended call={call} /> },
  ];
  return all.filter((column) => column !== false);
}

/** Prompt and answer as figures, and as one bar: cached, other prompt, answer. */
function Tokens({ call }: { call: Call }) {
  const { t } = useTranslation("usage");
  const title = call.estimated ? t("estimated") : call.cached_tokens ? t("of_which_cached", { count: call.cached_tokens }) : undefined;
  return (
    <span className={styles.tokens} title={title}>
      {call.estimated && "≈"}
      <Count value={call.prompt_tokens} />
      <span className={styles.soft}> → </span>
      <Count value={call.completion_tokens} />
    </span>
  );
}

/** How long it took: until the answer began in grey, from then on in colour. */
function Duration({ call, longest, locale }: { call: Call; longest: number; locale: string }) {
  const waited = call.ttft_ms || call.duration_ms;
  const width = (ms: number) => `${(ms / longest) * 100}%`;
  return (
    <span className={styles.duration}>
      <span className={styles.figure}>{formatDuration(call.duration_ms, locale)}</span>
      <span className={styles.track} aria-hidden="true">
        <i style={{ width: width(waited) }} />
        <b style={{ width: width(call.duration_ms - waited) }} />
      </span>
    </span>
  );
}

function toneOf(call: Call): Tone {
  if (call.ending === "cancelled") return "quiet";
  if (call.ending !== "completed") return "bad";
  return call.http_status >= 500 ? "bad" : call.http_status >= 400 ? "warn" : "good";
}

export function Ended({ call }: { call: Call }) {
  const { t } = useTranslation("usage");
  const word = call.ending === "completed" && call.http_status >= 400 ? t("refused_upstream") : t(`ending.${call.ending}`);
  return (
    <StatusBadge tone={toneOf(call)}>
      {word}
      {call.http_status >= 400 && ` · ${call.http_status}`}
    </StatusBadge>
  );
}
