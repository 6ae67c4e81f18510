import { Button, Group, Modal, Radio, SegmentedControl, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { useSite } from "@/api/site";
import { isAmount } from "@/pages/wallet/amounts";
import { ErrorNote } from "@/ui/ErrorNote";
import { showProblem } from "@/ui/forms";
import { newId } from "@/ui/ids";
import { useMoney } from "@/ui/Money";
import { sayDone } from "@/ui/notices";

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
  const currency = useSite()?.currency ?? "";
  const [once] = useState(() => newId());
  const [error, setError] = useState<Error | null>(null);
  const form = useForm({
    initialValues: { side: "credit" as "credit" | "debit", account, amount: "", kind: "topup" as string, reason: "" },
    validate: {
      account: (who: string) => (who.trim() ? null : t("needed")),
      amount: (amount: string) => (isAmount(amount) ? null : t("amount_needed")),
      reason: (reason: string) => (reason.trim() ? null : t("needed")),
    },
  });
  const isCredit = form.values.side === "credit";
  const chooseSide = (side: string) =>
    form.setValues(side === "credit" ? { side, kind: "topup" } : { side: "debit", kind: "refund" });
  const move = form.onSubmit(async (values) => {
    setError(null);
    const fields = { account: values.account.trim(), amount: values.amount.trim(), reason: values.reason, idempotency_key: once };
    try {
      const moved =
        values.side === "credit"
          ? await take(api.POST("/api/v1/transfers/credit", { body: { ...fields, kind: known(INTO, values.kind) } }))
          : await take(api.POST("/api/v1/transfers/debit", { body: { ...fields, kind: known(OUT_OF, values.kind) } }));
      await client.invalidateQueries();
      sayDone(t("moved", { balance: money(moved.balance), plan: moved.plan }));
      onClose();
    } catch (thrown) {
      setError(showProblem(form, thrown));
    }
  });
  return (
    <Modal opened onClose={onClose} title={t("move")} closeButtonProps={{ "aria-label": t("common:close") }}>
      <form onSubmit={move} noValidate>
        <Stack gap="md">
          {error && <ErrorNote error={error} />}
          <SegmentedControl
            aria-label={t("side")}
            value={form.values.side}
            onChange={chooseSide}
            data={[
              { value: "credit", label: t("credit") },
              { value: "debit", label: t("debit") },
            ]}
          />
          <TextInput label={t("member")} description={t("member_hint")} required {...form.getInputProps("account")} />
          <TextInput
            label={t("amount")}
            description={isCredit ? undefined : t("debit_hint")}
            inputMode="decimal"
            autoComplete="off"
            required
            rightSection={<small>{currency}</small>}
            rightSectionWidth={48}
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
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              {t("common:cancel")}
            </Button>
            <Button type="submit" loading={form.submitting}>
              {t(isCredit ? "credit_do" : "debit_do")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

function known<T extends string>(kinds: readonly T[], kind: string): T {
  return kinds.find((one) => one === kind) ?? kinds[0]!;
}
