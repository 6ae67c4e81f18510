import { Button } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Link, useNavigate } from "react-router";
import { api, take } from "@/api/client";
import { useList } from "@/api/lists";
import { DataTable, type Column } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { Page } from "@/ui/Page";
import { StatusBadge, type Tone } from "@/ui/StatusBadge";
import { Time } from "@/ui/Time";
import { whenOf, wordsOf, type Announcement, type When } from "./announcement";
import styles from "./Desk.module.css";

const TONES: Record<When, Tone> = { now: "good", later: "warn", over: "quiet" };

/** All announcements, those of the future and the past too. */
export default function DeskAnnouncementsPage() {
  const { t } = useTranslation("desk");
  const navigate = useNavigate();
  const list = useList(["desk-announcements"], (after) =>
    take(api.GET("/api/v1/admin/announcements", { params: { query: { after } } })),
  );
  return (
    <Page
      title={t("announcements")}
      lead={t("announcements_lead")}
      actions={
        <Button component={Link} to="/admin/announcements/new">
          {t("announce")}
        </Button>
      }
    >
      <DataTable
        label={t("announcements")}
        list={list}
        columns={useColumns()}
        rowKey={(one) => one.id}
        onRow={(one) => void navigate(`/admin/announcements/${one.id}`)}
        empty={<EmptyState title={t("nothing_announced")}>{t("nothing_announced_text")}</EmptyState>}
      />
    </Page>
  );
}

function useColumns(): Column<Announcement>[] {
  const { t, i18n } = useTranslation("desk");
  return [
    {
      key: "title",
      title: t("title"),
      isLead: true,
      render: (one) => (
        <Link className={styles.subject} to={`/admin/announcements/${one.id}`}>
          {wordsOf(one, i18n.language).title}
        </Link>
      ),
    },
    {
      key: "when",
      title: t("status"),
      render: (one) => {
        const when = whenOf(one, Date.now());
        return <StatusBadge tone={TONES[when]}>{t(`when.${when}`)}</StatusBadge>;
      },
    },
    { key: "pinned", title: t("pinned"), render: (one) => (one.pinned ? t("pinned") : "") },
    {
      key: "languages",
      title: t("languages"),
      render: (one) => [one.title_en && "English", one.title_zh && "中文"].filter(Boolean).join(", "),
    },
    { key: "from", title: t("from"), align: "right", render: (one) => <Time ms={one.from_ms} /> },
    { key: "until", title: t("until"), align: "right", render: (one) => (one.until_ms === null ? "" : <Time ms={one.until_ms} />) },
  ];
}
