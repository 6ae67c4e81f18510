import { useState } from "react";
import { useTranslation } from "react-i18next";
import { mayUse, useMember } from "@/api/session";
import { Choice } from "@/ui/Choice";
import { Loaded } from "@/ui/Loaded";
import { Page, Section } from "@/ui/Page";
import { Earnings } from "./Earnings";
import { Glance } from "./Glance";
import { Shares } from "./Shares";
import { Live } from "./Live";
import styles from "./Overview.module.css";
import { Trends } from "./Trends";
import { Upstreams } from "./Upstreams";
import { Waiting } from "./Waiting";
import { SPANS, useOverview, type Span } from "./data";

/** The operator's first page: how the service stands, what is going on, what it earns. */
export default function OverviewPage() {
  const { t } = useTranslation("overview");
  const session = useMember();
  const [span, setSpan] = useState<Span>("month");
  const overview = useOverview();
  return (
    <Page title={t("title")} lead={t("lead")} actions={<Waiting session={session} />}>
      <Loaded query={overview}>{(known) => <Glance overview={known} />}</Loaded>
      <div className={styles.front}>
        <Section
          title={t("course")}
          actions={
            <Choice size="xs" label={t("span.label")} value={span} onChange={setSpan} of={SPANS.map((one) => [one, t(`span.${one}`)])} />
          }
        >
          <Earnings span={span} />
        </Section>
        <div className={styles.aside}>
          <Section title={t("live")}>
            <Live />
          </Section>
          {mayUse(session, "channels:read") && (
            <Section title={t("upstreams")}>
              <Upstreams />
            </Section>
          )}
        </div>
      </div>
      <Section title={t("course_of", { span: t(`span.${span}`) })}>
        <Trends span={span} />
        <Shares span={span} />
      </Section>
    </Page>
  );
}
