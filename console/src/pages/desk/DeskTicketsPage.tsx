import { useTranslation } from "react-i18next";
import { Link, useNavigate } from "react-router";
import { api, take } from "@/api/client";
import { useList } from "@/api/lists";
import type { components } from "@/api/schema";
import { useAddress } from "@/ui/address";
import { Choice } from "@/ui/Choice";
import { Count } from "@/ui/Count";
import { DataTable, type Column } from "@/ui/DataTable";
import { MemberLink } from "@/ui/MemberLink";
import { Page } from "@/ui/Page";
import { Time } from "@/ui/Time";
import styles from "./Desk.module.css";
import { TicketStatus } from "./TicketStatus";

type Ticket = components["schemas"]["DeskTicket"];

const STATES = ["open", "answered", "closed"] as const;
const REFETCH_MS = 30_000; // a new question shows up by itself

/** All members' tickets; those that wait for an answer at first. */
export default function DeskTicketsPage() {
  const { t } = useTranslation("desk");
  const navigate = useNavigate();
  const { text, set } = useAddress();
  const account = text("account");
  const chosen = text("status") || (account ? "all" : "open");
  const status = STATES.find((one) => one === chosen);
  const list = useList(
    ["desk-tickets", status, account],
    (after) => take(api.GET("/api/v1/admin/tickets", { params: { query: { status, account_id: account, after } } })),
    { refetchMs: REFETCH_MS },
  );
  return (
    <Page title={t("tickets")} lead={account && list.items[0] ? t("of_member", { email: list.items[0].email }) : t("desk_lead")}>
      <Choice
        className={styles.states}
        label={t("status")}
        value={chosen}
        onChange={(value) => set({ status: value })}
        of={[...STATES.map((one) => [one, t(`desk_status.${one}`)] as const), ["all", t("all")]]}
      />
      <DataTable
        label={t("tickets")}
        list={list}
        columns={useColumns()}
        rowKey={(one) => one.id}
        onRow={(one) => void navigate(`/admin/tickets/${one.id}`)}
        empty={t(status === "open" ? "none_waiting" : "none_found")}
      />
    </Page>
  );
}

function useColumns(): Column<Ticket>[] {
  const { t } = useTranslation("desk");
  return [
    {
      key: "subject",
      title: t("subject"),
      isLead: true,
      render: (one) => (
        <Link className={styles.subject} to={`/admin/tickets/${one.id}`}>
          {one.subject}
        </Link>
      ),
    },
    { key: "email", title: t("member"), render: (one) => <MemberLink id={one.account_id} email={one.email} /> },
    { key: "status", title: t("status"), render: (one) => <TicketStatus status={one.status} side="desk" /> },
    { key: "messages", title: t("messages"), align: "right", render: (one) => <Count value={one.messages} /> },
    { key: "updated", title: t("updated"), align: "right", render: (one) => <Time ms={one.updated_ms} look="relative" /> },
  ];
}
