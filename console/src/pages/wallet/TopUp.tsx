import { Button, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { api, take } from "@/api/client";
import type { components } from "@/api/schema";
import { Copy } from "@/ui/Copy";
import { useText } from "@/pages/texts/TextPage";
import { AmountInput } from "@/ui/AmountInput";
import { ErrorNote } from "@/ui/ErrorNote";
import { useSubmit } from "@/ui/forms";
import { Markdown } from "@/ui/Markdown";
import { useMoney } from "@/ui/Money";
import { Section } from "@/ui/Page";
import { amountProblem } from "./amounts";
import styles from "./Wallet.module.css";
import type { Wallet } from "./WalletPage";

type Order = components["schemas"]["OrderFields"];

const NOTE_CHARS = 200;

/** Orders a top-up, and says what to do then. */
export function TopUp({ wallet }: { wallet: Wallet }) {
  const { t } = useTranslation("wallet");
  const [made, setMade] = useState<Order | null>(null);
  return (
    <Section title={t("top_up")} lead={t("top_up_lead")}>
      {made ? <Made order={made} onAgain={() => setMade(null)} /> : <OrderForm wallet={wallet} onMade={setMade} />}
    </Section>
  );
}

function OrderForm({ wallet, onMade }: { wallet: Wallet; onMade: (order: Order) => void }) {
  const { t } = useTranslation("wallet");
  const money = useMoney();
  const client = useQueryClient();
  const bounds = { min: money(wallet.topup_min), max: money(wallet.topup_max) };
  const form = useForm({
    initialValues: { amount: "", note: "" },
    validate: {
      amount: (amount: string) => (amountProblem(amount, wallet.topup_min, wallet.topup_max) ? t("amount_bounds", bounds) : null),
    },
  });
  const { error, submit: order } = useSubmit(form, async ({ amount, note }) => {
    const made = await take(api.POST("/api/v1/wallet/orders", { body: { amount: amount.trim(), note } }));
    onMade(made);
    await client.invalidateQueries({ queryKey: ["wallet-orders"] });
  });
  return (
    <form onSubmit={order} className={styles.form} noValidate>
      {error && <ErrorNote error={error} />}
      <div className={styles.amounts} role="group" aria-label={t("offered")}>
        {wallet.topup_amounts.map((amount) => (
          <Button
            key={amount}
            variant={form.values.amount === amount ? "filled" : "default"}
            aria-pressed={form.values.amount === amount}
            onClick={() => form.setFieldValue("amount", amount)}
          >
            {money(amount, isWhole(amount) ? 0 : 2)}
          </Button>
        ))}
      </div>
      <div className={styles.fields}>
        <AmountInput label={t("amount")} required w={150} {...form.getInputProps("amount")} />
        <TextInput label={t("note")} placeholder={t("note_hint")} maxLength={NOTE_CHARS} flex={1} miw={180} {...form.getInputProps("note")} />
      </div>
      <Button type="submit" loading={form.submitting}>
        {t("order")}
      </Button>
    </form>
  );
}

/** What to do with an order that was just made: how to pay it, in the operator's words, and which number to name. */
function Made({ order, onAgain }: { order: Order; onAgain: () => void }) {
  const { t } = useTranslation("wallet");
  const money = useMoney();
  const words = useText("payment");
  return (
    <div className={styles.form}>
      <div className={styles.made} role="status">
        <p>{t("ordered", { amount: money(order.amount) })}</p>
        <p>
          <strong>{order.id}</strong> <Copy value={order.id} what={t("order_id")} />
        </p>
        <p>{t("ordered_next")}</p>
      </div>
      {words.data && <Markdown>{words.data.text}</Markdown>}
      <div className={styles.amounts}>
        <Button variant="default" onClick={onAgain}>
          {t("order_again")}
        </Button>
        <Button variant="subtle" component={Link} to="?tab=orders" replace>
          {t("show_orders")}
        </Button>
      </div>
    </div>
  );
}

function isWhole(amount: string): boolean {
  return /^\d+(\.0*)?$/.test(amount);
}
