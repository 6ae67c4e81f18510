import { Select, SimpleGrid, TextInput } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Section } from "@/ui/Page";
import { listOf, type Form } from "./form";

/** Currency, top-ups, rewards. */
export function MoneySettings({ form, plans }: { form: Form; plans: string[] }) {
  const { t } = useTranslation("settings");
  const { topup } = form.values.site;
  return (
    <>
      <Section title={t("currency_section")} lead={t("currency_lead")}>
        <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="md">
          <TextInput label={t("currency")} description={t("currency_hint")} {...form.getInputProps("operator.currency")} />
          <TextInput
            label={t("exchange_rate")}
            description={t("exchange_rate_hint")}
            {...form.getInputProps("operator.exchange_rate")}
          />
        </SimpleGrid>
      </Section>
      <Section title={t("topup")}>
        <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="md">
          <TextInput label={t("topup_min")} {...form.getInputProps("site.topup.min")} />
          <TextInput label={t("topup_max")} {...form.getInputProps("site.topup.max")} />
          <TextInput
            label={t("topup_amounts")}
            description={t("topup_amounts_hint")}
            error={form.errors["site.topup.amounts"]}
            defaultValue={topup.amounts.join(" ")}
            onChange={(event) => form.setFieldValue("site.topup.amounts", listOf(event.currentTarget.value))}
          />
          <TextInput
            label={t("invoice_from_total")}
            description={t("invoice_hint")}
            error={form.errors["site.topup.invoice_from_total"]}
            value={topup.invoice_from_total ?? ""}
            onChange={(event) => form.setFieldValue("site.topup.invoice_from_total", event.currentTarget.value.trim() || null)}
          />
          <Select
            label={t("topup_plan")}
            description={t("topup_plan_hint")}
            data={plans}
            clearable
            clearButtonProps={{ "aria-label": t("topup_plan_none") }}
            error={form.errors["operator.topup_plan"]}
            value={form.values.operator.topup_plan || null}
            onChange={(value) => form.setFieldValue("operator.topup_plan", value ?? "")}
          />
        </SimpleGrid>
      </Section>
      <Section title={t("referral")} lead={t("referral_lead")}>
        <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="md">
          <TextInput label={t("inviter_reward")} {...form.getInputProps("site.referral.inviter_reward")} />
          <TextInput label={t("invited_reward")} {...form.getInputProps("site.referral.invited_reward")} />
        </SimpleGrid>
      </Section>
    </>
  );
}
