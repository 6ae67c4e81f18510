import { Anchor, Button } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useNavigate } from "react-router";
import { wholeList } from "@/api/lists";
import { mayUse, useMember } from "@/api/session";
import { Choice } from "@/ui/Choice";
import { Count, formatDuration } from "@/ui/Count";
import { DataTable, type Column } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import { Page } from "@/ui/Page";
import { Stat, Stats } from "@/ui/Stat";
import { StatusBadge } from "@/ui/StatusBadge";
import styles from "./Channels.module.css";
import { titleOf, useChannels, useCourses, useStandings, type Channel, type Course, type Span } from "./data";
import { FailureBars, TtftLine } from "./Sparks";
import { Squares } from "./Squares";
import {
  BREAKERS,
  BREAKER_TONES,
  figuresOf,
  formatShare,
  POOL_TONES,
  STATE_TONES,
  standingOf,
  type Standing,
} from "./standing";

interface Row {
  channel: Channel;
  standing: Standing;
  course: Course | undefined;
}

export default function ChannelsPage() {
  const { t } = useTranslation("channels");
  const [span, setSpan] = useState<Span>("hours");
  const navigate = useNavigate();
  const mayWrite = mayUse(useMember(), "channels:write");
  const channels = useChannels();
  const standings = useStandings();
  const courses = useCourses(span);
  const rows = channels.data?.items.map((channel) => ({
    channel,
    standing: standingOf(standings.data, channel.name),
    course: courses.data?.items.find((one) => one.channel === channel.name),
  }));
  const add = mayWrite && (
    <Button component={Link} to="/admin/channels/new" leftSection={<IconPlus size={16} stroke={1.8} />}>
      {t("add")}
    </Button>
  );
  return (
    <Page
      title={t("title")}
      lead={t("lead")}
      actions={
        <>
          <SpanChoice span={span} onChange={setSpan} />
          {add}
        </>
      }
    >
      {rows && rows.length > 0 && <Summary rows={rows} span={span} />}
      {standings.data && standings.data.silent > 0 && (
        <p className={styles.notice}>{t("silent", { count: standings.data.silent })}</p>
      )}
      {standings.error && <ErrorNote error={standings.error} onRetry={() => void standings.refetch()} />}
      <DataTable
        label={t("title")}
        list={wholeList(rows, channels)}
        columns={useColumns()}
        rowKey={(row) => row.channel.name}
        onRow={(row) => void navigate(pathOf(row.channel.name))}
        empty={<EmptyState title={t("none")}>{t("none_text")}</EmptyState>}
      />
    </Page>
  );
}

export function pathOf(name: string): string {
  return `/admin/channels/${encodeURIComponent(name)}`;
}

export function SpanChoice({ span, onChange }: { span: Span; onChange: (span: Span) => void }) {
  const { t } = useTranslation("channels");
  return (
    <Choice
      label={t("span.label")}
      value={span}
      onChange={onChange}
      of={(["hours", "day", "week"] as const).map((one) => [one, t(`span.${one}`)])}
    />
  );
}

function Summary({ rows, span }: { rows: Row[]; span: Span }) {
  const { t, i18n } = useTranslation("channels");
  const enabled = rows.filter((row) => row.channel.state === "enabled").length;
  const leftAlone = rows.reduce((sum, row) => sum + row.standing.models.filter((one) => one.state !== "closed").length, 0);
  const out = rows.reduce((sum, row) => sum + row.channel.credentials.filter((one) => one.state === "out").length, 0);
  const inFlight = rows.reduce((sum, row) => sum + row.standing.inFlight, 0);
  const figures = rows.map((row) => figuresOf(row.course));
  const calls = figures.reduce((sum, one) => sum + one.calls, 0);
  const failures = figures.reduce((sum, one) => sum + one.failures, 0);
  const quick = figures.filter((one) => one.p50 > 0).map((one) => one.p50);
  return (
    <Stats>
      <Stat label={t("stat.in_use")} value={`${enabled} / ${rows.length}`} tone={enabled === 0 ? "bad" : undefined} />
      <Stat label={t("stat.left_alone")} value={leftAlone} tone={leftAlone ? "bad" : undefined} note={t("stat.left_alone_note")} />
      <Stat label={t("stat.out")} value={out} tone={out ? "bad" : undefined} />
      <Stat label={t("stat.in_flight")} value={<Count value={inFlight} />} />
      <Stat
        label={t("stat.failures")}
        value={calls ? formatShare(failures / calls, i18n.language) : "–"}
        note={t(span === "hours" ? "stat.of_tries" : "stat.of_calls", { count: calls })}
      />
      <Stat label={t("stat.quickest")} value={quick.length ? formatDuration(Math.min(...quick), i18n.language) : "–"} note={t("stat.ttft")} />
    </Stats>
  );
}

function useColumns(): Column<Row>[] {
  const { t } = useTranslation("channels");
  return [
    {
      key: "name",
      title: t("column.channel"),
      isLead: true,
      render: ({ channel }) => (
        <>
          <Anchor component={Link} to={pathOf(channel.name)} className={styles.name} onClick={(event) => event.stopPropagation()}>
            {channel.name}
          </Anchor>
          <span className={styles.sub}>{hostOf(channel.base_url) || titleOf(channel, t)}</span>
        </>
      ),
    },
    { key: "state", title: t("column.state"), render: ({ channel }) => <ChannelState channel={channel} /> },
    { key: "models", title: t("column.models"), render: ({ channel, standing }) => <Models channel={channel} standing={standing} /> },
    { key: "credentials", title: t("column.credentials"), render: ({ channel, standing }) => <Credentials channel={channel} standing={standing} /> },
    { key: "in_flight", title: t("column.in_flight"), align: "right", render: ({ standing }) => <Count value={standing.inFlight} /> },
    { key: "failures", title: t("column.failures"), align: "right", render: ({ course }) => <FailureBars course={course} /> },
    { key: "ttft", title: t("column.ttft"), align: "right", render: ({ course }) => <TtftLine course={course} /> },
    {
      key: "order",
      title: t("column.order"),
      align: "right",
      render: ({ channel }) => `${channel.definition.priority ?? 0} · ${channel.definition.weight ?? 1}`,
    },
  ];
}

function hostOf(url: string): string {
  return url.replace(/^https?:\/\//, "").split("/")[0]!;
}

export function ChannelState({ channel }: { channel: Channel }) {
  const { t } = useTranslation("channels");
  return (
    <span>
      <StatusBadge tone={STATE_TONES[channel.state]}>{t(`state.${channel.state}`)}</StatusBadge>
      {channel.state !== "enabled" && (
        <span className={styles.sub}>{channel.reason || t(channel.since_ms ? "by_hand" : "by_definition")}</span>
      )}
    </span>
  );
}

/** Each model that was asked for, by its breaker's state; else how many there are. */
function Models({ channel, standing }: { channel: Channel; standing: Standing }) {
  const { t } = useTranslation("channels");
  const counts = BREAKERS.map((state) => [state, standing.models.filter((one) => one.state === state).length] as const);
  const label = counts.filter(([, count]) => count).map(([state, count]) => `${count} ${t(`breaker.${state}`)}`).join(", ");
  return (
    <span>
      <Squares tones={standing.models.map((one) => BREAKER_TONES[one.state])} label={label} />
      <span className={styles.sub}>{t("of_models", { asked: standing.models.length, count: channel.model_count })}</span>
    </span>
  );
}

function Credentials({ channel, standing }: { channel: Channel; standing: Standing }) {
  const { t } = useTranslation("channels");
  const states = channel.credentials.map((one) => {
    if (one.state === "out" || one.state === "disabled") return one.state;
    return standing.credentials.find((each) => each.name === one.name)?.state ?? "in";
  });
  const missing = channel.credentials.filter((one) => !one.is_stored).length;
  const used = states.filter((state) => state === "in" || state === "trial").length;
  const resting = standing.credentials.filter((one) => one.resting.length > 0).length;
  return (
    <span>
      <Squares tones={states.map((state) => POOL_TONES[state])} label={t("credentials_in", { used, count: states.length })} />
      <span className={styles.sub}>
        {missing === states.length ? t("no_secret") : resting > 0 ? t("resting", { count: resting }) : `${used} / ${states.length}`}
      </span>
    </span>
  );
}
