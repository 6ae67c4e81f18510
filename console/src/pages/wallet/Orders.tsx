import { Button } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { useList } from "@/api/lists";
import type { components } from "@/api/schema";
import { mayUse, useMember } from "@/api/session";
import { Confirm } from "@/ui/Confirm";
import { CopyLine } from "@/ui/Code";
import { DataTable, type Column } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { Money } from "@/ui/Money";
import { Time } from "@/ui/Time";
import { OrderStatus } from "./OrderStatus";
import styles from "./Wallet.module.css";

type Order = components["schemas"]["OrderFields"];

/** The member's orders; one that waits can be cancelled. */
export function Orders() {
  const { t } = useTranslation("wallet");
  const client = useQueryClient();
  const [chosen, setChosen] = useState<Order | null>(null);
  const list = useList(["wallet-orders"], (after) =>
    take(api.GET("/api/v1/wallet/orders", { params: { query: { after } } })),
  );
  const cancel = async () => {
    if (!chosen) return;
    await take(api.POST("/api/v1/wallet/orders/{order_id}/cancel", { params: { path: { order_id: chosen.id } } }));
    await client.invalidateQueries({ queryKey: ["wallet-orders"] });
  };
  return (
    <>
      <DataTable
        label={t("tab.orders")}
        list={list}
        columns={useColumns(setChosen)}
        rowKey={(one) => one.id}
        empty={<EmptyState title={t("no_orders")}>{t("no_orders_text")}</EmptyState>}
      />
      <Confirm
        title={t("cancel_title")}
        action={t("cancel_do")}
        isOpen={chosen !== null}
        onClose={() => setChosen(null)}
        onConfirm={cancel}
      >
        {t("cancel_text")}
      </Confirm>
    </>
  );
}

function useColumns(cancel: (order: Order) => void): Column<Order>[] {
  const { t } = useTranslation("wallet");
  const mayCancel = mayUse(useMember(), "own:write");
  return [
    { key: "id", title: t("order_id"), isLead: true, render: (one) => <CopyLine value={one.id} label={t("order_id")} /> },
    { key: "time", title: t("ordered_at"), render: (one) => <Time ms={one.created_ms} /> },
    { key: "status", title: t("status"), render: (one) => <OrderStatus status={one.status} /> },
    {
      key: "note",
      title: t("note"),
      render: (one) => <span className={styles.reason}>{[one.note, one.reference].filter(Boolean).join(" · ")}</span>,
    },
    { key: "amount", title: t("amount"), align: "right", render: (one) => <Money value={one.amount} /> },
    {
      key: "actions",
      title: "",
      align: "right",
      render: (one) =>
        mayCancel &&
        (one.status === "open" || one.status === "expired") && (
          <Button size="compact-sm" variant="default" onClick={() => cancel(one)}>
            {t("common:cancel")}
          </Button>
        ),
    },
  ];
}
