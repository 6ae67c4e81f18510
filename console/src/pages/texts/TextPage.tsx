import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { ErrorNote } from "@/ui/ErrorNote";
import { Markdown } from "@/ui/Markdown";
import { Page } from "@/ui/Page";
import { PageSkeleton } from "@/ui/PageSkeleton";
import { Time } from "@/ui/Time";
import styles from "./Texts.module.css";

export type TextName = "landing" | "faq" | "payment" | "terms" | "privacy";

/** A text that the operator may write, in the reader's language. */
export function useText(name: TextName) {
  const { i18n } = useTranslation();
  const language = i18n.language === "zh" ? "zh" : "en";
  return useQuery({
    queryKey: ["pages", name, language],
    queryFn: () => take(api.GET("/api/v1/pages/{name}", { params: { path: { name }, query: { language } } })),
  });
}

export function TextPage({ name }: { name: Exclude<TextName, "landing" | "payment"> }) {
  const { t } = useTranslation("texts");
  const text = useText(name);
  return (
    <Page title={t(`title.${name}`)}>
      {text.error && <ErrorNote error={text.error} onRetry={() => void text.refetch()} />}
      {text.isPending && <PageSkeleton />}
      {text.data && <Markdown>{text.data.text}</Markdown>}
      {text.data?.updated_ms && (
        <p className={styles.updated}>
          {t("updated")} <Time ms={text.data.updated_ms} look="date" />
        </p>
      )}
    </Page>
  );
}
