import { Skeleton } from "@mantine/core";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Count } from "@/ui/Count";
import { ErrorNote } from "@/ui/ErrorNote";
import { MemberLink } from "@/ui/MemberLink";
import { Money } from "@/ui/Money";
import { marginOf, useLeaders, type Span } from "./data";
import styles from "./Overview.module.css";

interface Share {
  key: string;
  label: ReactNode;
  charge: string;
  cost: string;
  requests: number;
}

/** Which models, members and channels the revenue comes from. */
export function Shares({ span }: { span: Span }) {
  const { t } = useTranslation("overview");
  const leaders = useLeaders(span);
  if (leaders.error && !leaders.data) return <ErrorNote error={leaders.error} onRetry={() => void leaders.refetch()} />;
  if (!leaders.data) return <Skeleton height={200} />;
  const { models, accounts, channels } = leaders.data;
  return (
    <div className={styles.shares}>
      <Ranked title={t("models")} rows={models.map((one) => ({ key: one.name, label: one.label, ...one.total }))} />
      <Ranked
        title={t("accounts")}
        rows={accounts.map((one) => ({ key: one.name, label: <MemberLink id={one.name} email={one.label} />, ...one.total }))}
      />
      <Ranked title={t("channels")} rows={channels.map((one) => ({ ...one, key: one.channel, label: one.channel || t("no_channel") }))} />
    </div>
  );
}

function Ranked({ title, rows }: { title: string; rows: Share[] }) {
  const { t, i18n } = useTranslation("overview");
  const highest = Math.max(...rows.map((row) => Number(row.charge)));
  const most = Math.max(1, ...rows.map((row) => row.requests));
  const percent = new Intl.NumberFormat(i18n.language, { style: "percent", maximumFractionDigits: 0 });
  return (
    <div>
      <h3>{title}</h3>
      {rows.length === 0 && <p className={styles.soft}>{t("nothing_yet")}</p>}
      <ol className={styles.ranked}>
        {rows.map((row) => {
          const margin = marginOf(row);
          return (
            <li key={row.key}>
              <div>
                <span className={styles.name}>{row.label}</span>
                <Money value={row.charge} />
              </div>
              <span className={styles.track} aria-hidden="true">
                <i style={{ width: `${(highest > 0 ? Number(row.charge) / highest : row.requests / most) * 100}%` }} />
              </span>
              <div className={styles.soft}>
                <span>
                  <Count value={row.requests} isShort /> {t("calls_unit", { count: row.requests })}
                </span>
                {margin !== null && <span>{t("margin_of", { share: percent.format(margin) })}</span>}
              </div>
            </li>
          );
        })}
      </ol>
    </div>
  );
}
