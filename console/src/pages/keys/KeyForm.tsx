import { Collapse, Group, MultiSelect, Select, Stack, Textarea, TextInput, UnstyledButton } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useDisclosure } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { IconChevronDown } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { AmountInput } from "@/ui/AmountInput";
import { dayOf, endOfDay } from "@/ui/days";
import { Dialog } from "@/ui/Dialog";
import { DialogFoot } from "@/ui/DialogFoot";
import { ErrorNote } from "@/ui/ErrorNote";
import { useSubmit } from "@/ui/forms";
import { usePrices } from "./Connect";
import type { Key } from "./key";
import styles from "./Keys.module.css";

const DAY_MS = 86_400_000;
const TERMS = ["30", "90", "365"]; // days

interface Props {
  edited?: Key; // else a new one is made
  plan?: string;
  onClose: () => void;
  onMade?: (secret: string) => void;
  onChanged: () => Promise<unknown>;
}

/** Makes a key, or changes one: name, budget, expiry, and what it may be used for. */
export function KeyForm({ edited, plan, onClose, onMade, onChanged }: Props) {
  const { t } = useTranslation("keys");
  const isScoped = Boolean(edited && (edited.models ?? edited.endpoints ?? edited.addresses));
  const [isMore, more] = useDisclosure(isScoped);
  const form = useForm({
    initialValues: {
      name: edited?.name ?? "",
      budget: edited?.budget ?? "",
      budget_period: edited?.budget_period ?? "total",
      term: edited ? (edited.expires_ms ? "date" : "never") : "never",
      expires_ms: edited?.expires_ms ? dayOf(edited.expires_ms) : "", // a date field's text
      models: edited?.models ?? [],
      endpoints: edited?.endpoints ?? [],
      addresses: (edited?.addresses ?? []).join("\n"),
    },
  });
  const { error, submit } = useSubmit(form, async (values) => {
    const body = bodyOf(values);
    if (edited) {
      await take(api.PATCH("/api/v1/keys/{key_id}", { params: { path: { key_id: edited.id } }, body }));
      await onChanged();
      onClose();
    } else {
      const made = await take(api.POST("/api/v1/keys", { body }));
      await onChanged();
      onMade?.(made.key);
    }
  });
  const { values } = form;
  return (
    <Dialog onClose={onClose} title={t(edited ? "edit_title" : "create")} size="lg">
      <form onSubmit={submit}>
        <Stack gap="md">
          {error && <ErrorNote error={error} />}
          <TextInput label={t("name")} description={t("name_hint")} maxLength={100} data-autofocus {...form.getInputProps("name")} />
          <Group gap="sm" align="flex-end" grow preventGrowOverflow={false} wrap="wrap">
            <AmountInput label={t("budget")} placeholder={t("budget_none")} {...form.getInputProps("budget")} />
            <Select
              label={t("budget_period")}
              data={(["total", "day", "month"] as const).map((one) => ({ value: one, label: t(`period.${one}`) }))}
              allowDeselect={false}
              disabled={!values.budget.trim()}
              {...form.getInputProps("budget_period")}
            />
          </Group>
          <Group gap="sm" align="flex-end" grow preventGrowOverflow={false} wrap="wrap">
            <Select
              label={t("expires")}
              data={[
                { value: "never", label: t("never") },
                ...TERMS.map((days) => ({ value: days, label: t("in_days", { count: Number(days) }) })),
                { value: "date", label: t("on_date") },
              ]}
              allowDeselect={false}
              {...form.getInputProps("term")}
            />
            {values.term === "date" && (
              <TextInput type="date" label={t("last_day")} required min={dayOf(Date.now())} {...form.getInputProps("expires_ms")} />
            )}
          </Group>
          <UnstyledButton className={styles.fold} onClick={more.toggle} aria-expanded={isMore}>
            <IconChevronDown size={14} aria-hidden data-open={isMore} />
            {t("restrict")}
          </UnstyledButton>
          <Collapse expanded={isMore}>
            <Scope plan={plan} form={form} />
          </Collapse>
          <DialogFoot action={edited ? t("common:save") : t("create")} isRunning={form.submitting} onCancel={onClose} />
        </Stack>
      </form>
    </Dialog>
  );
}

type Values = {
  name: string;
  budget: string;
  budget_period: "total" | "day" | "month";
  term: string;
  expires_ms: string;
  models: string[];
  endpoints: string[];
  addresses: string;
};

function Scope({ plan, form }: { plan?: string; form: ReturnType<typeof useForm<Values>> }) {
  const { t } = useTranslation("keys");
  const { data: prices } = usePrices(plan);
  const { data: endpoints } = useQuery({
    queryKey: ["endpoints"],
    queryFn: () => take(api.GET("/api/v1/endpoints")),
    staleTime: Infinity,
  });
  const names = (endpoints?.items ?? []).filter((one) => one.needs_key).map((one) => one.name);
  const known = prices?.models.map((one) => one.name) ?? [];
  return (
    <Stack gap="md">
      <MultiSelect
        label={t("models")}
        placeholder={form.values.models.length ? undefined : t("all_models")}
        data={[...new Set([...known, ...form.values.models])]}
        searchable
        clearable
        clearButtonProps={{ "aria-label": t("clear") }}
        {...form.getInputProps("models")}
      />
      <MultiSelect
        label={t("endpoints")}
        placeholder={form.values.endpoints.length ? undefined : t("all_endpoints")}
        data={[...new Set([...names, ...form.values.endpoints])]}
        searchable
        clearable
        clearButtonProps={{ "aria-label": t("clear") }}
        {...form.getInputProps("endpoints")}
      />
      <Textarea
        label={t("addresses")}
        description={t("addresses_hint")}
        placeholder="203.0.113.7&#10;10.0.0.0/8"
        autosize
        minRows={2}
        {...form.getInputProps("addresses")}
      />
    </Stack>
  );
}

function bodyOf(values: Values) {
  const addresses = values.addresses.split(/[\s,]+/).filter(Boolean);
  const some = (items: string[]) => (items.length ? items : null);
  return {
    name: values.name,
    budget: values.budget.trim() || null,
    budget_period: values.budget_period,
    expires_ms: expiryOf(values),
    models: some(values.models),
    endpoints: some(values.endpoints),
    addresses: some(addresses),
  };
}

function expiryOf({ term, expires_ms }: Values): number | null {
  if (term === "never") return null;
  return term === "date" ? endOfDay(expires_ms) : Date.now() + Number(term) * DAY_MS;
}
