import { Button } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useTranslation } from "react-i18next";
import { Link, useNavigate } from "react-router";
import { api, take } from "@/api/client";
import { useList } from "@/api/lists";
import type { components } from "@/api/schema";
import { mayUse, useMember } from "@/api/session";
import { Count } from "@/ui/Count";
import { DataTable, type Column } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { Page } from "@/ui/Page";
import { Time } from "@/ui/Time";
import styles from "./Desk.module.css";
import { NewTicket } from "./NewTicket";
import { TicketStatus } from "./TicketStatus";

type Ticket = components["schemas"]["TicketAnswer"];

/** What the member has asked, and how it stands. */
export default function TicketsPage() {
  const { t } = useTranslation("desk");
  const member = useMember();
  const navigate = useNavigate();
  const [isAsking, asking] = useDisclosure();
  const list = useList(["tickets"], (after) => take(api.GET("/api/v1/tickets", { params: { query: { after } } })));
  const mayAsk = mayUse(member, "tickets:write");
  const columns: Column<Ticket>[] = [
    {
      key: "subject",
      title: t("subject"),
      isLead: true,
      render: (one) => (
        <Link className={styles.subject} to={`/tickets/${one.id}`}>
          {one.subject}
        </Link>
      ),
    },
    { key: "status", title: t("status"), render: (one) => <TicketStatus status={one.status} side="member" /> },
    { key: "messages", title: t("messages"), align: "right", render: (one) => <Count value={one.messages} /> },
    { key: "updated", title: t("updated"), align: "right", render: (one) => <Time ms={one.updated_ms} look="relative" /> },
  ];
  return (
    <Page title={t("tickets")} lead={t("tickets_lead")} actions={mayAsk && <Button onClick={asking.open}>{t("ask")}</Button>}>
      <DataTable
        label={t("tickets")}
        list={list}
        columns={columns}
        rowKey={(one) => one.id}
        onRow={(one) => void navigate(`/tickets/${one.id}`)}
        empty={<EmptyState title={t("no_tickets")}>{t("no_tickets_text")}</EmptyState>}
      />
      <NewTicket isOpen={isAsking} onClose={asking.close} />
    </Page>
  );
}
