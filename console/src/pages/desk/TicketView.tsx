import { Anchor } from "@mantine/core";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import type { components } from "@/api/schema";
import { Page } from "@/ui/Page";
import { Time } from "@/ui/Time";
import styles from "./Desk.module.css";
import { type Status, TicketStatus } from "./TicketStatus";

type Message = components["schemas"]["MessageAnswer"];

interface Props<M extends Message> {
  subject: string;
  status: Status;
  messages: M[];
  side: "member" | "desk";
  author: (message: M) => ReactNode;
  about?: ReactNode; // beside the status
  children: ReactNode; // what may be written
}

/** A ticket: its messages as plain text, the oldest first; those of the operator's people are marked. */
export function TicketView<M extends Message>({ subject, status, messages, side, author, about, children }: Props<M>) {
  const { t } = useTranslation("desk");
  return (
    <Page
      title={subject}
      lead={
        <span className={styles.facts}>
          <Anchor component={Link} to={side === "desk" ? "/admin/tickets" : "/tickets"}>
            {t("tickets")}
          </Anchor>
          <TicketStatus status={status} side={side} />
          {about}
        </span>
      }
    >
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
      {children}
    </Page>
  );
}
