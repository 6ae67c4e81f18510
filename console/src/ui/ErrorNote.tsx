import { Button } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { tellOf } from "./told";
import styles from "./Notes.module.css";

/** Why something could not be shown or done, and a way to try again. Text of the API is in the reader's language. */
export function ErrorNote({ error, onRetry }: { error: Error; onRetry?: () => void }) {
  const { t } = useTranslation();
  const { title, text } = tellOf(error, t);
  return (
    <div className={styles.error} role="alert">
      <span>
        {title && <strong className={styles.errorTitle}>{title}</strong>}
        {text}
      </span>
      {onRetry && (
        <Button size="compact-sm" variant="default" onClick={onRetry}>
          {t("retry")}
        </Button>
      )}
    </div>
  );
}
