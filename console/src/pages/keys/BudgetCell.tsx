import { useTranslation } from "react-i18next";
import { useMoney } from "@/ui/Money";
import { Meter } from "@/ui/Meter";
import { formatTime } from "@/ui/Time";
import type { Key } from "./key";
import styles from "./Keys.module.css";

/** How much of its budget a key has spent, and when that begins anew. */
export function BudgetCell({ of }: { of: Key }) {
  const { t, i18n } = useTranslation("keys");
  const money = useMoney();
  if (of.budget === null) return <span className={styles.quiet}>{t("budget_none")}</span>;
  const text = t(`spent_of.${of.budget_period}`, { spent: money(of.budget_spent), budget: money(of.budget) });
  const frees = of.budget_resets_ms === null ? "" : t("frees", { at: formatTime(of.budget_resets_ms, i18n.language, "relative") });
  return (
    <div className={styles.budget} title={frees}>
      <Meter name={text} label={text} text="" used={Number(of.budget_spent)} limit={Math.max(Number(of.budget), 1e-9)} />
    </div>
  );
}
