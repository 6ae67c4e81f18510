import { useTranslation } from "react-i18next";
import { useMoney } from "@/ui/Money";
import { Section } from "@/ui/Page";
import { formatSpan } from "@/ui/span";
import type { Plan } from "./model";
import styles from "./Prices.module.css";

/** What a plan's members may use, a line for each limit. */
export function PlanLimits({ plan }: { plan: Plan }) {
  const { t, i18n } = useTranslation("prices");
  const money = useMoney();
  const count = (value: number) => new Intl.NumberFormat(i18n.language).format(value);
  const list = new Intl.ListFormat(i18n.language, { type: "conjunction" });
  if (plan.limits.length === 0) return null;
  return (
    <Section title={t("limits")} lead={t("limits_lead")}>
      <ul className={styles.limits}>
        {plan.limits.map((limit) => {
          const parts = [
            limit.requests !== null && t("limit.requests", { count: limit.requests, shown: count(limit.requests) }),
            limit.tokens !== null && t("limit.tokens", { shown: count(limit.tokens) }),
            limit.spend !== null && money(limit.spend),
            limit.concurrency !== null && t("limit.concurrency", { shown: count(limit.concurrency) }),
          ].filter((part) => part !== false);
          return (
            <li key={`${limit.subject} ${limit.window_ms} ${limit.families.join("+")}`}>
              <b>{list.format(parts)}</b>
              <span>{t("limit.in", { span: formatSpan(limit.window_ms, t), subject: t(`subject.${limit.subject}`) })}</span>
              <span>{limit.families.length ? list.format(limit.families) : t("limit.all_models")}</span>
            </li>
          );
        })}
      </ul>
    </Section>
  );
}
