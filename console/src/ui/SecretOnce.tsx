import { useTranslation } from "react-i18next";
import { Copy } from "./Copy";
import styles from "./SecretOnce.module.css";

/** A key or token that is shown this once. */
export function SecretOnce({ secret, label }: { secret: string; label: string }) {
  const { t } = useTranslation();
  return (
    <div className={styles.once}>
      <div className={styles.words}>{t("once")}</div>
      <div className={styles.row}>
        <code className={styles.secret} aria-label={label} data-testid="secret">
          {secret}
        </code>
        <Copy value={secret} label={t("copy")} />
      </div>
    </div>
  );
}
