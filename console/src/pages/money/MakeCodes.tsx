import { Button, Group, Radio, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import type { components } from "@/api/schema";
import { isAmount } from "@/pages/wallet/amounts";
import { saveCsv } from "@/pages/wallet/csv";
import { AmountInput } from "@/ui/AmountInput";
import { Copy } from "@/ui/Copy";
import { endOfDay } from "@/ui/days";
import { Dialog } from "@/ui/Dialog";
import { DialogFoot } from "@/ui/DialogFoot";
import { ErrorNote } from "@/ui/ErrorNote";
import { useSubmit } from "@/ui/forms";
import { useMoney } from "@/ui/Money";
import styles from "./Money.module.css";

type Made = components["schemas"]["NewBatchAnswer"];

const CODES_MAX = 10_000;

/** Makes a batch, and shows its codes this once. */
export function MakeCodes({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation("money");
  const [made, setMade] = useState<Made | null>(null);
  const isMade = made !== null;
  return (
    <Dialog
      onClose={onClose}
      title={made ? t("made_title", { count: made.codes.length, name: made.batch.name }) : t("make_codes")}
      size="lg"
      closeOnClickOutside={!isMade}
      closeOnEscape={!isMade}
    >
      {made ? <Codes made={made} onClose={onClose} /> : <BatchForm onMade={setMade} onClose={onClose} />}
    </Dialog>
  );
}

function BatchForm({ onMade, onClose }: { onMade: (made: Made) => void; onClose: () => void }) {
  const { t } = useTranslation("money");
  const client = useQueryClient();
  const whole = (text: string, max: number) => /^\d+$/.test(text.trim()) && Number(text) >= 1 && Number(text) <= max;
  const form = useForm({
    initialValues: { name: "", amount: "", count: "10", kind: "topup" as "topup" | "promotion", per_account_max: "", expires_ms: "" },
    validate: {
      name: (name: string) => (name.trim() ? null : t("needed")),
      amount: (amount: string) => (isAmount(amount) ? null : t("amount_needed")),
      count: (count: string) => (whole(count, CODES_MAX) ? null : t("count_bounds", { max: CODES_MAX })),
      per_account_max: (most: string) => (!most.trim() || whole(most, CODES_MAX) ? null : t("count_bounds", { max: CODES_MAX })),
    },
  });
  const { error, submit: make } = useSubmit(form, async (values) => {
    const body = {
      name: values.name,
      amount: values.amount.trim(),
      count: Number(values.count),
      kind: values.kind,
      per_account_max: values.per_account_max.trim() ? Number(values.per_account_max) : null,
      expires_ms: values.expires_ms ? endOfDay(values.expires_ms) : null,
    };
    onMade(await take(api.POST("/api/v1/codes", { body })));
    await client.invalidateQueries({ queryKey: ["codes"] });
  });
  return (
    <form onSubmit={make} noValidate>
      <Stack gap="md">
        {error && <ErrorNote error={error} />}
        <TextInput label={t("name")} description={t("name_hint")} maxLength={200} required data-autofocus {...form.getInputProps("name")} />
        <Group grow align="flex-start">
          <AmountInput label={t("each")} required {...form.getInputProps("amount")} />
          <TextInput label={t("count")} inputMode="numeric" required {...form.getInputProps("count")} />
        </Group>
        <Radio.Group label={t("kind_title")} {...form.getInputProps("kind")}>
          <Stack gap="xs" mt={6}>
            <Radio value="topup" label={t("code_kind.topup")} description={t("kind_topup")} />
            <Radio value="promotion" label={t("code_kind.promotion")} description={t("kind_promotion")} />
          </Stack>
        </Radio.Group>
        <Group grow align="flex-start">
          <TextInput label={t("expires")} description={t("expires_hint")} type="date" {...form.getInputProps("expires_ms")} />
          <TextInput
            label={t("per_account")}
            description={t("per_account_hint")}
            inputMode="numeric"
            {...form.getInputProps("per_account_max")}
          />
        </Group>
        <DialogFoot action={t("make")} isRunning={form.submitting} onCancel={onClose} />
      </Stack>
    </form>
  );
}

function Codes({ made, onClose }: { made: Made; onClose: () => void }) {
  const { t } = useTranslation("money");
  const money = useMoney();
  const save = () =>
    saveCsv(`codes-${made.batch.id}.csv`, [
      [t("code"), t("each"), t("batch")],
      ...made.codes.map((code) => [code, made.batch.amount, made.batch.name]),
    ]);
  return (
    <Stack gap="md">
      <div>{t("made_once", { amount: money(made.batch.amount) })}</div>
      <pre className={styles.codes} tabIndex={0} role="group" aria-label={t("codes")} data-testid="codes">
        {made.codes.join("\n")}
      </pre>
      <Group justify="flex-end" gap="xs">
        <Copy value={made.codes.join("\n")} label={t("copy_all")} />
        <Button variant="default" size="compact-md" onClick={save}>
          {t("save_csv")}
        </Button>
        <Button size="compact-md" onClick={onClose}>
          {t("kept")}
        </Button>
      </Group>
    </Stack>
  );
}
