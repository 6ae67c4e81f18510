import { Button, Menu } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { IconChevronDown } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useNavigate, useParams } from "react-router";
import { api, take } from "@/api/client";
import { mayUse, useMember } from "@/api/session";
import { Confirm } from "@/ui/Confirm";
import { Count, formatDuration } from "@/ui/Count";
import { LoadedPage } from "@/ui/Loaded";
import { Page, Section } from "@/ui/Page";
import { Stat, Stats } from "@/ui/Stat";
import { Breakers } from "./Breakers";
import styles from "./Channels.module.css";
import { ChannelState, pathOf, SpanChoice } from "./ChannelsPage";
import { CourseCharts } from "./CourseCharts";
import { Credentials } from "./Credentials";
import { titleOf, useChannel, useCourses, useStandings, type Channel, type Span } from "./data";
import { Events } from "./Events";
import { figuresOf, formatShare, standingOf } from "./standing";
import { StateDialog, type Chosen } from "./StateDialog";
import { TestPanel } from "./TestPanel";

export default function ChannelPage() {
  const name = useParams().name!;
  const query = useChannel(name);
  return (
    <LoadedPage title={name} query={query}>
      {(channel) => <One channel={channel} />}
    </LoadedPage>
  );
}

function One({ channel }: { channel: Channel }) {
  const { t } = useTranslation("channels");
  const [span, setSpan] = useState<Span>("hours");
  const standings = useStandings();
  const courses = useCourses(span);
  const mayWrite = mayUse(useMember(), "channels:write");
  const standing = standingOf(standings.data, channel.name);
  const course = courses.data?.items.find((one) => one.channel === channel.name);
  return (
    <Page
      title={channel.name}
      lead={`${titleOf(channel, t)} · ${channel.base_url}`}
      actions={mayWrite && <Actions channel={channel} />}
    >
      <Figures channel={channel} inFlight={standing.inFlight} figures={figuresOf(course)} />
      <Section title={t("course")} actions={<SpanChoice span={span} onChange={setSpan} />}>
        <CourseCharts courses={courses.data} course={course} />
      </Section>
      <Section title={t("models_now")} lead={t("models_lead")}>
        <Breakers models={standing.models} standings={standings} atMs={standings.data?.at_ms ?? 0} />
      </Section>
      <Section title={t("column.credentials")} lead={t("credentials_lead")}>
        <Credentials channel={channel} standings={standing.credentials} mayWrite={mayWrite} />
      </Section>
      {mayWrite && (
        <Section title={t("test.title")} lead={t("test.lead")}>
          <TestPanel channel={channel} />
        </Section>
      )}
      <Section title={t("events.title")}>
        <Events channel={channel.name} />
      </Section>
    </Page>
  );
}

function Figures({ channel, inFlight, figures }: { channel: Channel; inFlight: number; figures: ReturnType<typeof figuresOf> }) {
  const { t, i18n } = useTranslation("channels");
  const { calls, failures, p50, p95 } = figures;
  return (
    <Stats>
      <Stat label={t("column.state")} value={<ChannelState channel={channel} />} />
      <Stat label={t("stat.in_flight")} value={<Count value={inFlight} />} />
      <Stat
        label={t("stat.failures")}
        value={calls ? formatShare(failures / calls, i18n.language) : "–"}
        note={calls ? t("failed_of", { failures, calls }) : undefined}
      />
      <Stat
        label={t("column.ttft")}
        value={p50 ? formatDuration(p50, i18n.language) : "–"}
        note={p95 ? t("p95", { value: formatDuration(p95, i18n.language) }) : undefined}
      />
      <Stat
        label={t("column.order")}
        value={`${channel.definition.priority ?? 0} · ${channel.definition.weight ?? 1}`}
        note={t("order_note")}
      />
      <Stat label={t("column.models")} value={<Count value={channel.model_count} />} note={channel.dialects.join(", ")} />
    </Stats>
  );
}

function Actions({ channel }: { channel: Channel }) {
  const { t } = useTranslation("channels");
  const navigate = useNavigate();
  const client = useQueryClient();
  const [chosen, setChosen] = useState<Chosen | null>(null);
  const [isRemoving, setRemoving] = useState(false);
  const remove = async () => {
    const params = { path: { name: channel.name }, query: { version: channel.version } };
    await take(api.DELETE("/api/v1/channels/{name}", { params }));
    await client.invalidateQueries({ queryKey: ["channels"] });
    void navigate("/admin/channels");
  };
  const choices = (["enabled", "draining", "disabled"] as const).filter(
    (state) => state !== channel.state || state === "enabled",
  );
  return (
    <>
      <Menu position="bottom-end" withinPortal>
        <Menu.Target>
          <Button variant="default" rightSection={<IconChevronDown size={14} stroke={1.7} />}>
            {t("set.button")}
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {choices.map((state) => (
            <Menu.Item key={state} onClick={() => setChosen({ channel: channel.name, credential: "", state })}>
              {t(`set.${state}`)}
            </Menu.Item>
          ))}
          <Menu.Divider />
          <Menu.Item color="red" onClick={() => setRemoving(true)}>
            {t("remove.button")}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Button component={Link} to={`${pathOf(channel.name)}/edit`}>
        {t("edit")}
      </Button>
      <StateDialog chosen={chosen} onClose={() => setChosen(null)} />
      <Confirm
        title={t("remove.title", { name: channel.name })}
        action={t("remove.button")}
        isOpen={isRemoving}
        onClose={() => setRemoving(false)}
        onConfirm={remove}
      >
        <span className={styles.quiet}>{t("remove.text")}</span>
      </Confirm>
    </>
  );
}
