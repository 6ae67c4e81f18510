import { useTranslation } from "react-i18next";
import { Count } from "@/ui/Count";
import { Money } from "@/ui/Money";
import { Stat, Stats } from "@/ui/Stat";
import { growth, marginOf, type Overview } from "./data";

const MANY_ERRORS = 0.05;
const DIGITS_SHOWN = 100_000; // from here on cents only tell something on demand

/** Today beside yesterday at the same time, and what is owed to members. */
export function Glance({ overview }: { overview: Overview }) {
  const { t, i18n } = useTranslation("overview");
  const percent = (share: number | null) =>
    share === null ? "–" : new Intl.NumberFormat(i18n.language, { style: "percent", maximumFractionDigits: 1 }).format(share);
  const { today, yesterday, month } = overview;
  const errors = today.requests ? today.errors / today.requests : null;
  const since = (now: number, before: number) => {
    const change = growth(now, before);
    if (change === null) return undefined;
    return t("than_yesterday", {
      change: new Intl.NumberFormat(i18n.language, { style: "percent", maximumFractionDigits: 0, signDisplay: "exceptZero" }).format(change),
    });
  };
  return (
    <Stats>
      <Stat label={t("revenue_today")} value={<Money value={today.charge} />} note={since(Number(today.charge), Number(yesterday.charge))} />
      <Stat label={t("margin_today")} value={percent(marginOf(today))} note={t("margin_month", { share: percent(marginOf(month)) })} />
      <Stat label={t("calls_today")} value={<Count value={today.requests} isShort />} note={since(today.requests, yesterday.requests)} />
      <Stat
        label={t("errors_today")}
        value={percent(errors)}
        note={t("running", { count: overview.running })}
        tone={errors !== null && errors >= MANY_ERRORS ? "bad" : undefined}
      />
      <Stat label={t("members")} value={<Count value={overview.members} />} note={t("new_today", { count: overview.members_today })} />
      <Stat label={t("owed")} value={<Money value={overview.balances} decimals={Number(overview.balances) < DIGITS_SHOWN ? undefined : 0} />} note={t("owed_note")} />
    </Stats>
  );
}
