import { Button } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { useList } from "@/api/lists";
import type { components } from "@/api/schema";
import { mayUse, useMember } from "@/api/session";
import { DataTable, type Column } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { Money, useMoney } from "@/ui/Money";
import { nanosOf } from "@/ui/money";
import { Time } from "@/ui/Time";
import { AskInvoice } from "./AskInvoice";
import { InvoiceStatus } from "./InvoiceStatus";
import styles from "./Wallet.module.css";
import type { Wallet } from "./WalletPage";

type Invoice = components["schemas"]["InvoiceFields"];

/** Requests for invoices, and the way to one more where the site has them. */
export function Invoices({ wallet }: { wallet: Wallet }) {
  const { t } = useTranslation("wallet");
  const [isAsking, asking] = useDisclosure();
  const list = useList(["wallet-invoices"], (after) =>
    take(api.GET("/api/v1/wallet/invoices", { params: { query: { after } } })),
  );
  const mayAsk = mayUse(useMember(), "own:write") && isEnough(wallet);
  return (
    <>
      <div className={styles.asking}>
        <span className={styles.reason}>{useWords(wallet)}</span>
        {mayAsk && <Button onClick={asking.open}>{t("invoice_ask")}</Button>}
      </div>
      <DataTable
        label={t("tab.invoices")}
        list={list}
        columns={useColumns()}
        rowKey={(one) => one.id}
        empty={<EmptyState title={t("no_invoices")} />}
      />
      {isAsking && <AskInvoice invoiceable={wallet.invoiceable} onClose={asking.close} />}
    </>
  );
}

function isEnough(wallet: Wallet): boolean {
  const left = nanosOf(wallet.invoiceable);
  return wallet.invoice_from !== null && left > 0n && left >= nanosOf(wallet.invoice_from);
}

function useWords(wallet: Wallet): string {
  const { t } = useTranslation("wallet");
  const money = useMoney();
  if (wallet.invoice_from === null) return t("invoice_off");
  const amounts = { left: money(wallet.invoiceable), from: money(wallet.invoice_from) };
  return t(isEnough(wallet) ? "invoice_left" : "invoice_from", amounts);
}

function useColumns(): Column<Invoice>[] {
  const { t } = useTranslation("wallet");
  return [
    { key: "time", title: t("asked_at"), render: (one) => <Time ms={one.created_ms} look="date" /> },
    { key: "title", title: t("invoice_title"), isLead: true, render: (one) => one.title },
    { key: "status", title: t("status"), render: (one) => <InvoiceStatus status={one.status} /> },
    { key: "number", title: t("invoice_number"), render: (one) => <span className={styles.reason}>{one.number || one.reason}</span> },
    { key: "amount", title: t("amount"), align: "right", render: (one) => <Money value={one.amount} /> },
  ];
}
