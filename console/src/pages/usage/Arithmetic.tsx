import { useTranslation } from "react-i18next";
import { Count } from "@/ui/Count";
import { useMoney } from "@/ui/Money";
import { nanosOf } from "@/ui/money";
import type { CallDetail } from "./types";
import styles from "./Usage.module.css";

type Made = NonNullable<CallDetail["arithmetic"]>;

/** How the charge came about, as one would write it by hand. */
export function Arithmetic({ made }: { made: Made }) {
  const { t } = useTranslation("usage");
  const money = useMoney();
  const isZero = (amount: string) => nanosOf(amount) === 0n;
  return (
    <div className={styles.scroll} role="group" aria-label={t("arithmetic")} tabIndex={0}>
      <table className={styles.sum}>
        <thead>
          <tr>
            <th scope="col">{t("component")}</th>
            <th scope="col">{t("quantity")}</th>
            <th scope="col">{t("price")}</th>
            <th scope="col">{t("amount")}</th>
          </tr>
        </thead>
        <tbody>
          {made.lines.map((line) => (
            <tr key={line.component}>
              <th scope="row">
                {t(`components.${line.component}`, { defaultValue: line.component })}
                {line.priced_as && line.priced_as !== line.component && (
                  <small>{t("priced_as", { component: t(`components.${line.priced_as}`, { defaultValue: line.priced_as }) })}</small>
                )}
              </th>
              <td>
                <Count value={line.quantity} />
              </td>
              <td>
                {line.price === null ? t("no_price") : `× ${money(line.price, "all")}`}
                {line.per === "1M tokens" && <small>{t("per_million")}</small>}
              </td>
              <td>{short(line.amount)}</td>
            </tr>
          ))}
        </tbody>
        <tfoot>
          <Total label={t("exact_sum")} amount={short(made.exact)} />
          {trimmed(made.exact) !== trimmed(made.rounded) && <Total label={t("rounded")} amount={trimmed(made.rounded)} />}
          {!isZero(made.paid_before) && <Total label={t("paid_before")} amount={`− ${trimmed(made.paid_before)}`} />}
          {!isZero(made.shortfall) && <Total label={t("shortfall")} amount={`− ${trimmed(made.shortfall)}`} />}
          <Total label={t("charge")} amount={money(made.charge, "all")} isLast />
        </tfoot>
      </table>
    </div>
  );
}

function Total({ label, amount, isLast }: { label: string; amount: string; isLast?: boolean }) {
  return (
    <tr data-last={isLast}>
      <th scope="row" colSpan={3}>
        {label}
      </th>
      <td>{amount}</td>
    </tr>
  );
}

/** An exact amount without the zeros at its end. */
function trimmed(amount: string): string {
  return amount.includes(".") ? amount.replace(/0+$/, "").replace(/\.$/, "") : amount;
}

/** The same, but at least as many places as amounts are rounded to, so that the columns stand under each other. */
function short(amount: string): string {
  const [whole, fraction = ""] = amount.split(".");
  return `${whole}.${fraction.replace(/0+$/, "").padEnd(9, "0")}`;
}
