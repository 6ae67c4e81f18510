import { useTranslation } from "react-i18next";
import styles from "./Figures.module.css";

/** A number with its thousands parted; `isShort` writes 12.3K (1.2万). */
export function Count({ value, isShort }: { value: number; isShort?: boolean }) {
  const { i18n } = useTranslation();
  const full = new Intl.NumberFormat(i18n.language).format(value);
  if (!isShort) return <span className={styles.figure}>{full}</span>;
  const short = new Intl.NumberFormat(i18n.language, { notation: "compact", maximumFractionDigits: 1 }).format(value);
  return (
    <span className={styles.figure} title={short === full ? undefined : full}>
      {short}
    </span>
  );
}

/** Milliseconds as people say them: 840 ms, 2.4 s. */
export function formatDuration(ms: number, locale: string): string {
  const [value, unit] = ms < 1000 ? [Math.round(ms), "ms"] : [ms / 1000, "s"];
  return `${new Intl.NumberFormat(locale, { maximumFractionDigits: value < 10 ? 2 : 1 }).format(value)} ${unit}`;
}
