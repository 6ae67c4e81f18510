import { Textarea, type TextareaProps } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Markdown } from "@/ui/Markdown";
import styles from "./Desk.module.css";

/** Markdown as it is written, and below it as it will look. */
export function MarkdownField({ value, ...props }: TextareaProps & { value?: string }) {
  const { t } = useTranslation("desk");
  return (
    <div>
      <Textarea autosize minRows={8} maxRows={24} classNames={{ input: styles.markdown! }} value={value} {...props} />
      {value?.trim() && (
        <details className={styles.preview}>
          <summary>{t("preview")}</summary>
          <Markdown>{value}</Markdown>
        </details>
      )}
    </div>
  );
}
