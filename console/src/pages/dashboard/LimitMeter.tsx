import { useTranslation } from "react-i18next";
import type { components } from "@/api/schema";
import { Meter } from "@/ui/Meter";
import { useMoney } from "@/ui/Money";
import { formatSpan } from "@/ui/span";
import { formatTime } from "@/ui/Time";
import styles from "./Dashboard.module.css";

type Standing = components["schemas"]["LimitStanding"];

const PERMILLE = 1000;

/** One limit: what it counts, how much of it is used, when the oldest use leaves the window. */
export function LimitMeter({ of }: { of: Standing }) {
  const { t, i18n } = useTranslation("dashboard");
  const money = useMoney();
  const amount = (value: string) => (of.measure === "spend" ? money(value) : new Intl.NumberFormat(i18n.language).format(BigInt(value)));
  const what = t(`counted.${of.measure}`);
  const isConcurrency = of.measure === "concurrency";
  const per = isConcurrency ? t("at_once") : t("per_window", { window: formatSpan(of.window_ms, t) });
  const models = of.families.length ? of.families.join(", ") : t("all_models");
  const whose = of.key_id ? of.key_name : t(`subject.${of.subject}`);
  const used = t("used_of", { used: amount(of.used), limit: amount(of.limit) });
  const now = Date.now();
  const frees = of.frees_ms > 0 ? t("frees", { at: formatTime(now + of.frees_ms, i18n.language, "relative", now) }) : "";
  return (
    <div>
      <Meter label={`${what} ${per}`} text={used} used={of.permille} limit={PERMILLE} name={`${what} ${per}, ${whose}: ${used}`} />
      <div className={styles.limitNote}>
        <span>
          {whose} · {models}
        </span>
        <span>{frees}</span>
      </div>
    </div>
  );
}
