import { ActionIcon } from "@mantine/core";
import { IconX } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { wordsOf, type Announcement } from "@/pages/desk/announcement";
import { Markdown } from "@/ui/Markdown";
import styles from "./Announcements.module.css";

const STORED = "posthouse-announcements-read";
const REFETCH_MS = 300_000;
const KEPT = 50; // ids; older ones are over by then

function readIds(): string[] {
  try {
    return JSON.parse(localStorage.getItem(STORED) ?? "[]");
  } catch {
    return [];
  }
}

function keepIds(ids: string[]): void {
  try {
    localStorage.setItem(STORED, JSON.stringify(ids.slice(-KEPT)));
  } catch {
    // It stays away until the page is closed.
  }
}

/** What the operator has pinned, at the head of every page until its reader has put it away. */
export function Announcements() {
  const [read, setRead] = useState(readIds);
  const query = useQuery({
    queryKey: ["announcements", "pinned"],
    queryFn: () => take(api.GET("/api/v1/announcements")),
    refetchInterval: REFETCH_MS,
  });
  const shown = query.data?.items.filter((one) => one.pinned && !read.includes(one.id)) ?? [];
  const putAway = (id: string) => {
    const ids = [...readIds(), id];
    keepIds(ids);
    setRead(ids);
  };
  return shown.map((one) => <Strip key={one.id} one={one} onClose={() => putAway(one.id)} />);
}

function Strip({ one, onClose }: { one: Announcement; onClose: () => void }) {
  const { t, i18n } = useTranslation();
  const { title, text } = wordsOf(one, i18n.language);
  return (
    <aside className={styles.strip} aria-label={t("announcement")}>
      {text ? (
        <details>
          <summary>{title}</summary>
          <Markdown>{text}</Markdown>
        </details>
      ) : (
        <span className={styles.title}>{title}</span>
      )}
      <ActionIcon aria-label={t("put_away", { title })} onClick={onClose}>
        <IconX size={15} stroke={1.7} />
      </ActionIcon>
    </aside>
  );
}
