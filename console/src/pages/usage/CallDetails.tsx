import { Drawer } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { Copy } from "@/ui/Copy";
import { Count } from "@/ui/Count";
import { Loaded } from "@/ui/Loaded";
import { MemberLink } from "@/ui/MemberLink";
import { Money } from "@/ui/Money";
import { Time } from "@/ui/Time";
import { Arithmetic } from "./Arithmetic";
import { Ended } from "./CallTable";
import { TimeLine } from "./TimeLine";
import { isOfSite, type CallDetail, type SiteCallDetail } from "./types";
import styles from "./Usage.module.css";

interface Props {
  requestId: string; // "": none is open
  read: (requestId: string) => Promise<CallDetail | SiteCallDetail>;
  onClose: () => void;
}

/** Everything that is known of one call. */
export function CallDetails({ requestId, read, onClose }: Props) {
  const { t } = useTranslation("usage");
  const query = useQuery({
    queryKey: ["call", requestId],
    queryFn: () => read(requestId),
    enabled: requestId !== "",
    staleTime: Infinity, // a record never changes
  });
  return (
    <Drawer.Root opened={requestId !== ""} onClose={onClose} position="right" size="lg">
      <Drawer.Overlay />
      <Drawer.Content>
        <div className={styles.drawer}>
          <Drawer.Title>{t("call")}</Drawer.Title>
          <Drawer.CloseButton aria-label={t("common:close")} />
        </div>
        <Drawer.Body>
          <Loaded query={query}>{(call) => <Shown call={call} />}</Loaded>
        </Drawer.Body>
      </Drawer.Content>
    </Drawer.Root>
  );
}

function Shown({ call }: { call: CallDetail | SiteCallDetail }) {
  const { t } = useTranslation("usage");
  return (
    <div className={styles.details}>
      <div className={styles.headline}>
        <div>
          <h2>{call.model}</h2>
          <Time ms={call.started_ms} look="seconds" />
        </div>
        <div>
          <b>
            <Money value={call.charge} decimals="all" />
          </b>
          <Ended call={call} />
        </div>
      </div>
      <section>
        <h3>{t("arithmetic")}</h3>
        {call.arithmetic ? <Arithmetic made={call.arithmetic} /> : <p className={styles.soft}>{t("nothing_charged")}</p>}
        {call.estimated && <p className={styles.soft}>{t("estimated")}</p>}
      </section>
      <section>
        <h3>{t("timeline")}</h3>
        <TimeLine call={call} />
      </section>
      <section>
        <h3>{t("facts")}</h3>
        <Facts call={call} />
      </section>
    </div>
  );
}

function Facts({ call }: { call: CallDetail | SiteCallDetail }) {
  const { t, i18n } = useTranslation("usage");
  const speed = call.completion_tokens / ((call.duration_ms - call.ttft_ms) / 1000);
  const facts: [string, ReactNode][] = [
    [
      t("request_id"),
      <span className={styles.id}>
        {call.request_id} <Copy value={call.request_id} what={t("request_id")} />
      </span>,
    ],
    [t("endpoint"), `${call.endpoint}${call.stream ? ` · ${t("stream")}` : ""}`],
    [t("key"), call.key_kind === "playground" ? t("playground") : call.key_name],
    [t("plan"), call.plan],
    [
      t("tokens_in"),
      <>
        <Count value={call.prompt_tokens} />
        {call.cached_tokens > 0 && ` (${t("of_which_cached", { count: call.cached_tokens })})`}
      </>,
    ],
    [
      t("tokens_out"),
      <>
        <Count value={call.completion_tokens} />
        {call.reasoning_tokens > 0 && ` (${t("of_which_reasoning", { count: call.reasoning_tokens })})`}
      </>,
    ],
  ];
  if (call.stream && call.ttft_ms > 0 && call.duration_ms - call.ttft_ms >= 100)
    facts.push([t("speed"), t("tokens_per_second", { count: Math.round(speed) })]);
  if (call.relay_code) facts.push([t("relay_code"), <Link to={`/docs#${call.relay_code}`}>{call.relay_code}</Link>]);
  if (isOfSite(call))
    facts.push(
      [t("account"), <MemberLink id={call.account_id} email={call.email} />],
      [t("channel"), call.channel || "–"],
      [t("cost"), <Money value={call.cost} decimals="all" />],
      [t("address"), <code>{call.address}</code>],
    );
  return (
    <dl className={styles.facts} lang={i18n.language}>
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

