import { Radio, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { isAmount } from "@/pages/wallet/amounts";
import { AmountInput } from "@/ui/AmountInput";
import { Choice } from "@/ui/Choice";
import { Dialog } from "@/ui/Dialog";
import { DialogFoot } from "@/ui/DialogFoot";
import { ErrorNote } from "@/ui/ErrorNote";
import { useSubmit } from "@/ui/forms";
import { newId } from "@/ui/ids";
import { useMoney } from "@/ui/Money";
import { sayDone } from "@/ui/notices";

type Side = "credit" | "debit";
const INTO = ["topup", "promotion", "correction"] as const;
const OUT_OF = ["refund", "correction"] as const;

interface Props {
  account?: string; // email or id; else it is asked for
  onClose: () => void;
}

/** Moves money into or out of a member's balance, with the reason. However often the button is pressed, once. */
export function CreditDialog({ account = "", onClose }: Props) {
  const { t } = useTranslation("money");
  const money = useMoney();
  const client = useQueryClient();
  const [once] = useState(() => newId());
  const form = useForm({
    initialValues: { side: "credit" as Side, account, amount: "", kind: "topup" as string, reason: "" },
    validate: {
      account: (who: string) => (who.trim() ? null : t("needed")),
      amount: (amount: string) => (isAmount(amount) ? null : t("amount_needed")),
      reason: (reason: string) => (reason.trim() ? null : t("needed")),
    },
  });
  const isCredit = form.values.side === "credit";
  const chooseSide = (side: Side) => form.setValues({ side, kind: side === "credit" ? "topup" : "refund" });
  const { error, submit: move } = useSubmit(form, async (values) => {
    const fields = { account: values.account.trim(), amount: values.amount.trim(), reason: values.reason, idempotency_key: once };
    const moved =
      values.side === "credit"
        ? await take(api.POST("/api/v1/transfers/credit", { body: { ...fields, kind: known(INTO, values.kind) } }))
        : await take(api.POST("/api/v1/transfers/debit", { body: { ...fields, kind: known(OUT_OF, values.kind) } }));
    await client.invalidateQueries();
    sayDone(t("moved", { balance: money(moved.balance), plan: moved.plan }));
    onClose();
  });
  return (
    <Dialog onClose={onClose} title={t("move")}>
      <form onSubmit={move} noValidate>
        <Stack gap="md">
          {error && <ErrorNote error={error} />}
          <Choice label={t("side")} value={form.values.side} onChange={chooseSide} of={[["credit", t("credit")], ["debit", t("debit")]]} />
          <TextInput label={t("member")} description={t("member_hint")} required {...form.getInputProps("account")} />
          <AmountInput
            label={t("amount")}
            description={isCredit ? undefined : t("debit_hint")}
            required
            {...form.getInputProps("amount")}
          />
          <Radio.Group label={t("kind_title")} {...form.getInputProps("kind")}>
            <Stack gap="xs" mt={6}>
              {(isCredit ? INTO : OUT_OF).map((kind) => (
                <Radio key={kind} value={kind} label={t(`kind.${kind}`)} description={t(`kind_hint.${kind}`)} />
              ))}
            </Stack>
          </Radio.Group>
          <TextInput label={t("reason")} description={t("member_sees")} maxLength={500} required {...form.getInputProps("reason")} />
          <DialogFoot action={t(isCredit ? "credit_do" : "debit_do")} isRunning={form.submitting} onCancel={onClose} />
        </Stack>
      </form>
    </Dialog>
  );
}

function known<T extends string>(kinds: readonly T[], kind: string): T {
  return kinds.find((one) => one === kind) ?? kinds[0]!;
}
