import { Anchor, Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { api, take } from "@/api/client";
import type { components } from "@/api/schema";
import { Count } from "@/ui/Count";
import { Loaded } from "@/ui/Loaded";
import { Money } from "@/ui/Money";
import { Page, Section } from "@/ui/Page";
import { Stat, Stats } from "@/ui/Stat";
import { TIME_ZONE } from "@/ui/Time";
import { Connect } from "../keys/Connect";
import { Limits } from "./Limits";
import { Refused } from "./Refused";
import { Spending } from "./Spending";
import styles from "./Dashboard.module.css";

type Dashboard = components["schemas"]["Dashboard"];

const REFRESH_MS = 30_000;

/** How the account stands: balance, what was used, what is left of each limit, and what was refused. */
export default function DashboardPage() {
  const { t } = useTranslation("dashboard");
  const query = useQuery({
    queryKey: ["dashboard"],
    queryFn: () => take(api.GET("/api/v1/dashboard", { params: { query: { time_zone: TIME_ZONE } } })),
    refetchInterval: REFRESH_MS,
  });
  return (
    <Page
      title={t("title")}
      lead={query.data && t("lead", { plan: query.data.plan })}
      actions={
        <Button component={Link} to="/playground" variant="default">
          {t("common:nav.playground")}
        </Button>
      }
    >
      <Loaded query={query}>{(data) => <Shown data={data} />}</Loaded>
    </Page>
  );
}

function Shown({ data }: { data: Dashboard }) {
  const { t } = useTranslation("dashboard");
  return (
    <>
      {data.status === "frozen" && (
        <p className={styles.frozen} role="alert">
          {t("frozen")} <Anchor component={Link} to="/tickets" underline="always">
            {t("ask_review")}
          </Anchor>
        </p>
      )}
      <Figures data={data} />
      {!data.has_called && (
        <Section
          title={t("first")}
          lead={t(data.keys === 0 ? "first_key" : "first_call")}
          actions={
            <Button component={Link} to="/keys" variant={data.keys === 0 ? "filled" : "default"} size="compact-md">
              {t("common:nav.keys")}
            </Button>
          }
        >
          <Connect plan={data.plan} />
        </Section>
      )}
      <Spending />
      <Limits />
      <Refused />
    </>
  );
}

function Wallet() {
  const { t } = useTranslation("dashboard");
  return (
    <Anchor component={Link} to="/wallet" size="xs">
      {t("common:nav.wallet")}
    </Anchor>
  );
}

function Figures({ data: { balance, today, month, plan_kind } }: { data: Dashboard }) {
  const { t } = useTranslation("dashboard");
  const tokens = (sums: Dashboard["today"]) => sums.prompt_tokens + sums.completion_tokens;
  return (
    <Stats>
      <Stat
        label={t("balance")}
        value={<Money value={balance} isBalance />}
        note={plan_kind === "free" ? t("free") : <Wallet />}
      />
      <Stat label={t("today")} value={<Money value={today.charge} />} note={t("requests", { count: today.requests })} />
      <Stat label={t("month")} value={<Money value={month.charge} />} note={t("requests", { count: month.requests })} />
      <Stat
        label={t("tokens")}
        value={<Count value={tokens(today)} isShort />}
        note={
          <>
            {t("in_month")} <Count value={tokens(month)} isShort />
          </>
        }
      />
      <Stat
        label={t("errors")}
        value={<Count value={today.errors} />}
        tone={today.errors > 0 ? "warn" : undefined}
        note={
          <>
            {t("in_month")} <Count value={month.errors} />
          </>
        }
      />
    </Stats>
  );
}
