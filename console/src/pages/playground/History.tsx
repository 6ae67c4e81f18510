import { ActionIcon, Button, UnstyledButton } from "@mantine/core";
import { IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Confirm } from "@/ui/Confirm";
import { Time } from "@/ui/Time";
import type { Conversation } from "./conversations";
import styles from "./Playground.module.css";

interface Props {
  known: Conversation[];
  shownId: string;
  onShow: (conversation: Conversation) => void;
  onRemove: (ids: string[]) => void;
}

/** Earlier conversations of this browser. */
export function History({ known, shownId, onShow, onRemove }: Props) {
  const { t } = useTranslation("playground");
  const [isAsking, setAsking] = useState(false);
  if (known.length === 0) return <p className={styles.note}>{t("none_kept")}</p>;
  return (
    <>
      <ul className={styles.history}>
        {known.map((one) => (
          <li key={one.id} data-shown={one.id === shownId || undefined}>
            <UnstyledButton onClick={() => onShow(one)} aria-current={one.id === shownId || undefined}>
              <span>{one.title || t("untitled")}</span>
              <small>
                <Time ms={one.updatedMs} look="relative" />
              </small>
            </UnstyledButton>
            <ActionIcon size="sm" aria-label={t("remove", { title: one.title || t("untitled") })} onClick={() => onRemove([one.id])}>
              <IconTrash size={14} stroke={1.6} aria-hidden />
            </ActionIcon>
          </li>
        ))}
      </ul>
      <Button variant="subtle" color="gray" size="compact-sm" onClick={() => setAsking(true)}>
        {t("remove_all")}
      </Button>
      <Confirm
        title={t("remove_all_title")}
        action={t("remove_all")}
        isOpen={isAsking}
        onClose={() => setAsking(false)}
        onConfirm={() => Promise.resolve(onRemove(known.map((one) => one.id)))}
      >
        {t("remove_all_text")}
      </Confirm>
    </>
  );
}
