import { useTranslation } from "react-i18next";
import { useSite } from "@/api/site";
import { formatMoney } from "./money";
import { Hint } from "./Hint";
import styles from "./Figures.module.css";

interface Props {
  value: string; // decimal, as the API gives it
  decimals?: number | "all";
  isSigned?: boolean; // a plus before what is added; nothing before zero
  isBalance?: boolean; // rounded down: nobody has more than this
}

/** An amount in the operator's currency, rounded for reading; the tooltip has every digit. */
export function Money({ value, decimals, isSigned, isBalance }: Props) {
  const format = useMoney();
  const shown = format(value, decimals, isBalance);
  const exact = format(value, "all");
  const sign = isSigned && !value.startsWith("-") && /[1-9]/.test(value) ? "+" : "";
  if (shown === exact) return <span className={styles.figure}>{sign + shown}</span>;
  return (
    <Hint label={exact}>
      <span className={styles.figure} data-rounded>
        {sign + shown}
      </span>
    </Hint>
  );
}

/** Formats amounts where no component can stand: charts, labels, messages. */
export function useMoney(): (value: string, decimals?: number | "all", isDown?: boolean) => string {
  const { i18n } = useTranslation();
  const currency = useSite()?.currency ?? "";
  return (value, decimals, isDown) => formatMoney(value, { currency, locale: i18n.language, decimals, isDown });
}
