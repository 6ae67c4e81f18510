import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { Loaded } from "@/ui/Loaded";
import { Markdown } from "@/ui/Markdown";
import { Page } from "@/ui/Page";
import { Time } from "@/ui/Time";
import styles from "./Texts.module.css";

type TextName = "landing" | "faq" | "payment" | "terms" | "privacy";

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
  const query = useText(name);
  return (
    <Page title={t(`title.${name}`)}>
      <Loaded query={query}>
        {({ text, updated_ms }) => (
          <>
            <Markdown>{text}</Markdown>
            {updated_ms && (
              <p className={styles.updated}>
                {t("updated")} <Time ms={updated_ms} look="date" />
              </p>
            )}
          </>
        )}
      </Loaded>
    </Page>
  );
}
