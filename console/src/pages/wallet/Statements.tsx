import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { useSite } from "@/api/site";
import { monthName, monthsSince } from "./months";
import styles from "./Wallet.module.css";

const MONTHS_SHOWN = 36; // three years; earlier ones by their address

/** The months that there are statements of, this one first. */
export function Statements({ sinceMs }: { sinceMs: number }) {
  const { t, i18n } = useTranslation("wallet");
  const zone = useSite()?.timezone ?? "UTC";
  const months = monthsSince(sinceMs, Date.now(), zone).slice(0, MONTHS_SHOWN);
  return (
    <>
      <p className={styles.reason}>{t("statements_lead")}</p>
      <ul className={styles.months}>
        {months.map((month) => (
          <li key={month}>
            <Link to={`/wallet/statements/${month}`}>{monthName(month, i18n.language)}</Link>
          </li>
        ))}
      </ul>
    </>
  );
}
