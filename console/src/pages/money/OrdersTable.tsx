import { Button, Stack } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { useList } from "@/api/lists";
import type { components } from "@/api/schema";
import { mayUse, useMember } from "@/api/session";
import { OrderStatus } from "@/pages/wallet/OrderStatus";
import { useAddress } from "@/ui/address";
import { Choice } from "@/ui/Choice";
import { DataTable, type Column } from "@/ui/DataTable";
import { MemberLink } from "@/ui/MemberLink";
import { Money, useMoney } from "@/ui/Money";
import { sayDone } from "@/ui/notices";
import { Time } from "@/ui/Time";
import { AccountFilter } from "./AccountFilter";
import { AskText } from "./AskText";
import styles from "./Money.module.css";

type Order = components["schemas"]["OrderAnswer"];
type Doing = { order: Order; what: "pay" | "cancel" };

const STATES = ["open", "expired", "paid", "cancelled"] as const;
const REFETCH_MS = 30_000; // a new order shows up by itself

/** Orders of all members; those that wait for payment at first. */
export function OrdersTable() {
  const { t } = useTranslation("money");
  const { text, set } = useAddress();
  const [doing, setDoing] = useState<Doing | null>(null);
  const account = text("account");
  const chosen = text("status") || (account ? "all" : "open");
  const status = STATES.find((one) => one === chosen);
  const list = useList(
    ["orders", status, account],
    (after) => take(api.GET("/api/v1/orders", { params: { query: { status, account, after } } })),
    { refetchMs: REFETCH_MS },
  );
  return (
    <Stack gap="md">
      <div className={styles.filters}>
        <Choice
          label={t("status")}
          value={chosen}
          onChange={(value) => set({ status: value })}
          of={[...STATES, "all" as const].map((one) => [one, t(`order_state.${one}`)])}
        />
        <AccountFilter value={account} onChange={(value) => set({ account: value })} />
      </div>
      <DataTable
        label={t("top_ups")}
        list={list}
        columns={useColumns(setDoing)}
        rowKey={(one) => one.id}
        empty={t(status === "open" ? "no_open_orders" : "no_orders")}
      />
      {doing?.what === "pay" && <Pay order={doing.order} onClose={() => setDoing(null)} />}
      {doing?.what === "cancel" && <Cancel order={doing.order} onClose={() => setDoing(null)} />}
    </Stack>
  );
}

function Pay({ order, onClose }: { order: Order; onClose: () => void }) {
  const { t } = useTranslation("money");
  const money = useMoney();
  const client = useQueryClient();
  const pay = async (reference: string) => {
    await take(api.POST("/api/v1/orders/{order_id}/pay", { params: { path: { order_id: order.id } }, body: { reference } }));
    await client.invalidateQueries({ queryKey: ["orders"] });
    sayDone(t("paid_done", { amount: money(order.amount), email: order.email }));
  };
  return (
    <AskText title={t("pay_title")} label={t("reference")} hint={t("reference_hint")} action={t("pay_do")} onClose={onClose} onDone={pay}>
      <div>{t("pay_text", { amount: money(order.amount, "all"), email: order.email })}</div>
    </AskText>
  );
}

function Cancel({ order, onClose }: { order: Order; onClose: () => void }) {
  const { t } = useTranslation("money");
  const client = useQueryClient();
  const cancel = async (reason: string) => {
    await take(api.POST("/api/v1/orders/{order_id}/cancel", { params: { path: { order_id: order.id } }, body: { reason } }));
    await client.invalidateQueries({ queryKey: ["orders"] });
  };
  return (
    <AskText
      title={t("cancel_title")}
      label={t("reason")}
      hint={t("member_sees")}
      action={t("cancel_do")}
      isDestructive
      onClose={onClose}
      onDone={cancel}
    />
  );
}

function useColumns(act: (doing: Doing) => void): Column<Order>[] {
  const { t } = useTranslation("money");
  const mayAct = mayUse(useMember(), "money:write");
  const isWaiting = (one: Order) => one.status === "open" || one.status === "expired";
  return [
    { key: "email", title: t("member"), isLead: true, render: (one) => <MemberLink id={one.account_id} email={one.email} /> },
    { key: "id", title: t("order"), render: (one) => <code>{one.id}</code> },
    { key: "time", title: t("ordered"), render: (one) => <Time ms={one.created_ms} /> },
    { key: "status", title: t("status"), render: (one) => <OrderStatus status={one.status} /> },
    {
      key: "note",
      title: t("note"),
      render: (one) => <span className={styles.soft}>{[one.note, one.reference].filter(Boolean).join(" · ")}</span>,
    },
    { key: "amount", title: t("amount"), align: "right", render: (one) => <Money value={one.amount} /> },
    {
      key: "actions",
      title: "",
      align: "right",
      render: (one) =>
        mayAct &&
        isWaiting(one) && (
          <>
            <Button size="compact-sm" onClick={() => act({ order: one, what: "pay" })}>
              {t("pay")}
            </Button>
            <Button size="compact-sm" variant="default" onClick={() => act({ order: one, what: "cancel" })}>
              {t("common:cancel")}
            </Button>
          </>
        ),
    },
  ];
}
