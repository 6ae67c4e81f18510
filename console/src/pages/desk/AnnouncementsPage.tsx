import { Button } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { useList } from "@/api/lists";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import { Markdown } from "@/ui/Markdown";
import { Page } from "@/ui/Page";
import { PageSkeleton } from "@/ui/PageSkeleton";
import { Time } from "@/ui/Time";
import { wordsOf } from "./announcement";
import styles from "./Desk.module.css";

/** What the operator has to say, the pinned first. */
export default function AnnouncementsPage() {
  const { t, i18n } = useTranslation("desk");
  const list = useList(["announcements", "all"], (after) =>
    take(api.GET("/api/v1/announcements", { params: { query: { after } } })),
  );
  return (
    <Page title={t("announcements")}>
      {list.error && <ErrorNote error={list.error} onRetry={list.refetch} />}
      {list.isLoading && <PageSkeleton />}
      {!list.isLoading && !list.error && list.items.length === 0 && <EmptyState title={t("no_announcements")} />}
      {list.items.map((one) => {
        const { title, text } = wordsOf(one, i18n.language);
        return (
          <article key={one.id} className={styles.announcement}>
            <div className={styles.by}>
              <h2>{title}</h2>
              <span className={styles.when}>
                {one.pinned && <span className={styles.pinned}>{t("pinned")}</span>}
                <Time ms={one.from_ms} look="date" />
              </span>
            </div>
            {text && <Markdown>{text}</Markdown>}
          </article>
        );
      })}
      {list.hasMore && (
        <Button variant="default" loading={list.isLoadingMore} onClick={list.loadMore} mx="auto">
          {t("common:more")}
        </Button>
      )}
    </Page>
  );
}
