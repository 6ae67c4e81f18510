import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { useList } from "@/api/lists";
import type { components } from "@/api/schema";
import { DataTable, type Column } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { Money } from "@/ui/Money";
import { Time } from "@/ui/Time";
import { useSourceText } from "./sources";
import styles from "./Wallet.module.css";

export type Transfer = components["schemas"]["TransferFields"];

/** What came in and went out by itself; calls are in the usage. */
export function Transfers() {
  const { t } = useTranslation("wallet");
  const list = useList(["wallet-transfers"], (after) =>
    take(api.GET("/api/v1/wallet/transfers", { params: { query: { after } } })),
  );
  return (
    <DataTable
      label={t("tab.transfers")}
      list={list}
      columns={useTransferColumns()}
      rowKey={(one) => one.id}
      empty={<EmptyState title={t("no_transfers")}>{t("no_transfers_text")}</EmptyState>}
    />
  );
}

/** With `isExact` every digit, as a statement has them. */
export function useTransferColumns(isExact = false): Column<Transfer>[] {
  const { t } = useTranslation("wallet");
  const sourceText = useSourceText();
  return [
    { key: "what", title: t("what"), isLead: true, render: (one) => sourceText(one) },
    {
      key: "reason",
      title: t("reason"),
      render: (one) => (one.source === "operator" ? <span className={styles.reason}>{one.reason}</span> : null),
    },
    { key: "time", title: t("common:time"), render: (one) => <Time ms={one.created_ms} /> },
    {
      key: "amount",
      title: t("amount"),
      align: "right",
      render: (one) => <Money value={one.amount} isSigned decimals={isExact ? "all" : undefined} />,
    },
  ];
}
