import { Group, Stack, Textarea, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { useMember } from "@/api/session";
import { AmountInput } from "@/ui/AmountInput";
import { Dialog } from "@/ui/Dialog";
import { DialogFoot } from "@/ui/DialogFoot";
import { ErrorNote } from "@/ui/ErrorNote";
import { useSubmit } from "@/ui/forms";
import { useMoney } from "@/ui/Money";
import { sayDone } from "@/ui/notices";
import { amountProblem } from "./amounts";

const LEAST = "0.01";

/** Asks what the invoice is to say. */
export function AskInvoice({ invoiceable, onClose }: { invoiceable: string; onClose: () => void }) {
  const { t } = useTranslation("wallet");
  const money = useMoney();
  const client = useQueryClient();
  const member = useMember();
  const form = useForm({
    initialValues: { amount: inCents(invoiceable), title: "", tax_number: "", email: member.email, details: "" },
    validate: {
      amount: (amount: string) =>
        amountProblem(amount, LEAST, invoiceable) ? t("invoice_bounds", { max: money(invoiceable) }) : null,
      title: (title: string) => (title.trim() ? null : t("needed")),
      email: (email: string) => (email.includes("@") ? null : t("needed")),
    },
  });
  const { error, submit: ask } = useSubmit(form, async (body) => {
    await take(api.POST("/api/v1/wallet/invoices", { body: { ...body, amount: body.amount.trim() } }));
    await client.invalidateQueries({ queryKey: ["wallet-invoices"] });
    await client.invalidateQueries({ queryKey: ["wallet"] });
    sayDone(t("invoice_asked"));
    onClose();
  });
  return (
    <Dialog onClose={onClose} title={t("invoice_ask")} size="lg">
      <form onSubmit={ask} noValidate>
        <Stack gap="md">
          {error && <ErrorNote error={error} />}
          <TextInput
            label={t("invoice_title")}
            description={t("invoice_title_hint")}
            maxLength={200}
            required
            data-autofocus
            {...form.getInputProps("title")}
          />
          <Group align="flex-start" grow>
            <AmountInput label={t("amount")} required {...form.getInputProps("amount")} />
            <TextInput label={t("tax_number")} maxLength={200} {...form.getInputProps("tax_number")} />
          </Group>
          <TextInput type="email" label={t("invoice_email")} maxLength={254} required {...form.getInputProps("email")} />
          <Textarea
            label={t("details")}
            description={t("details_hint")}
            maxLength={1000}
            autosize
            minRows={3}
            maxRows={8}
            {...form.getInputProps("details")}
          />
          <DialogFoot action={t("invoice_send")} isRunning={form.submitting} onCancel={onClose} />
        </Stack>
      </form>
    </Dialog>
  );
}

/** An amount cut down to whole cents. */
function inCents(amount: string): string {
  const [whole = "0", fraction = ""] = amount.split(".");
  return fraction ? `${whole}.${fraction.slice(0, 2).padEnd(2, "0")}` : whole;
}
