import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { components } from "@/api/schema";
import { Time } from "@/ui/Time";
import styles from "./Desk.module.css";

type Message = components["schemas"]["MessageAnswer"];

interface Props<M extends Message> {
  messages: M[];
  author: (message: M) => ReactNode;
}

/** A ticket's messages as plain text, the oldest first; those of the operator's people are marked. */
export function Thread<M extends Message>({ messages, author }: Props<M>) {
  const { t } = useTranslation("desk");
  return (
    <ol className={styles.thread} aria-label={t("messages")}>
      {messages.map((message) => (
        <li key={message.number} className={styles.message} data-staff={message.is_staff}>
          <div className={styles.by}>
            <span className={styles.author}>{author(message)}</span>
            <Time ms={message.at_ms} />
          </div>
          <p className={styles.words}>{message.text}</p>
        </li>
      ))}
    </ol>
  );
}
