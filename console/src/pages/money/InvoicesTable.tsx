import { Button, Stack } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { useList } from "@/api/lists";
import type { components } from "@/api/schema";
import { mayUse, useMember } from "@/api/session";
import { InvoiceStatus } from "@/pages/wallet/InvoiceStatus";
import { useAddress } from "@/ui/address";
import { Choice } from "@/ui/Choice";
import { DataTable, type Column } from "@/ui/DataTable";
import { MemberLink } from "@/ui/MemberLink";
import { Money, useMoney } from "@/ui/Money";
import { Time } from "@/ui/Time";
import { AskText } from "./AskText";
import styles from "./Money.module.css";

type Invoice = components["schemas"]["InvoiceAnswer"];
type Doing = { invoice: Invoice; what: "issue" | "decline" };

const STATES = ["open", "issued", "declined"] as const;

/** Requests for invoices; those that wait for an answer at first. */
export function InvoicesTable() {
  const { t } = useTranslation("money");
  const { text, set } = useAddress();
  const [doing, setDoing] = useState<Doing | null>(null);
  const chosen = text("status") || "open";
  const status = STATES.find((one) => one === chosen);
  const list = useList(["invoices", status], (after) =>
    take(api.GET("/api/v1/invoices", { params: { query: { status, after } } })),
  );
  return (
    <Stack gap="md">
      <div className={styles.filters}>
        <Choice
          label={t("status")}
          value={chosen}
          onChange={(value) => set({ status: value })}
          of={[...STATES, "all" as const].map((one) => [one, t(`invoice_state.${one}`)])}
        />
      </div>
      <DataTable
        label={t("invoices")}
        list={list}
        columns={useColumns(setDoing)}
        rowKey={(one) => one.id}
        empty={t(status === "open" ? "no_open_invoices" : "no_invoices")}
      />
      {doing && <Answer doing={doing} onClose={() => setDoing(null)} />}
    </Stack>
  );
}

function Answer({ doing: { invoice, what }, onClose }: { doing: Doing; onClose: () => void }) {
  const { t } = useTranslation("money");
  const client = useQueryClient();
  const path = { invoice_id: invoice.id };
  const answer = async (text: string) => {
    if (what === "issue") await take(api.POST("/api/v1/invoices/{invoice_id}/issue", { params: { path }, body: { number: text } }));
    else await take(api.POST("/api/v1/invoices/{invoice_id}/decline", { params: { path }, body: { reason: text } }));
    await client.invalidateQueries({ queryKey: ["invoices"] });
  };
  const isIssued = what === "issue";
  return (
    <AskText
      title={t(isIssued ? "issue_title" : "decline_title")}
      label={t(isIssued ? "number" : "reason")}
      hint={t(isIssued ? "number_hint" : "member_sees")}
      action={t(isIssued ? "issue_do" : "decline_do")}
      isDestructive={!isIssued}
      onClose={onClose}
      onDone={answer}
    >
      <Details invoice={invoice} />
    </AskText>
  );
}

/** What the invoice is to say, to be copied into the program that writes invoices. */
function Details({ invoice }: { invoice: Invoice }) {
  const { t } = useTranslation("money");
  const money = useMoney();
  const lines: [string, string][] = [
    [t("amount"), money(invoice.amount, "all")],
    [t("invoice_title"), invoice.title],
    [t("tax_number"), invoice.tax_number],
    [t("send_to"), invoice.email],
    [t("details"), invoice.details],
  ];
  return (
    <dl className={styles.details}>
      {lines
        .filter(([, value]) => value)
        .map(([label, value]) => [<dt key={label}>{label}</dt>, <dd key={`${label}-value`}>{value}</dd>])}
    </dl>
  );
}

function useColumns(act: (doing: Doing) => void): Column<Invoice>[] {
  const { t } = useTranslation("money");
  const mayAct = mayUse(useMember(), "money:write");
  return [
    {
      key: "email",
      title: t("member"),
      isLead: true,
      render: (one) => <MemberLink id={one.account_id} email={one.account_email} />,
    },
    { key: "time", title: t("asked"), render: (one) => <Time ms={one.created_ms} look="date" /> },
    { key: "title", title: t("invoice_title"), render: (one) => one.title },
    { key: "status", title: t("status"), render: (one) => <InvoiceStatus status={one.status} /> },
    { key: "number", title: t("number"), render: (one) => <span className={styles.soft}>{one.number || one.reason}</span> },
    { key: "amount", title: t("amount"), align: "right", render: (one) => <Money value={one.amount} /> },
    {
      key: "actions",
      title: "",
      align: "right",
      render: (one) =>
        mayAct &&
        one.status === "open" && (
          <>
            <Button size="compact-sm" onClick={() => act({ invoice: one, what: "issue" })}>
              {t("issue")}
            </Button>
            <Button size="compact-sm" variant="default" onClick={() => act({ invoice: one, what: "decline" })}>
              {t("decline")}
            </Button>
          </>
        ),
    },
  ];
}
