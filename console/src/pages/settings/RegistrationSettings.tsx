import { Checkbox, NumberInput, Radio, Select, SimpleGrid, Textarea } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Section } from "@/ui/Page";
import { linesOf, listOf, type Form } from "./form";

const OPENNESS = ["open", "invitation", "closed"] as const;
const COUNTS = ["new_accounts_per_day", "accounts_per_address_per_day", "free_keys_max", "paid_keys_max"] as const;
const CHECKS = ["verify_email", "proof_of_work", "free_key"] as const;
const DOMAINS = ["mail_domains", "blocked_mail_domains"] as const;

/** Who may register, and what they get. */
export function RegistrationSettings({ form, plans }: { form: Form; plans: string[] }) {
  const { t } = useTranslation("settings");
  const at = "site.registration";
  return (
    <>
      <Section title={t("registration")}>
        <Radio.Group label={t("who")} {...form.getInputProps(`${at}.open`)}>
          {OPENNESS.map((one) => (
            <Radio key={one} value={one} label={t(`openness.${one}`)} mt="xs" />
          ))}
        </Radio.Group>
        {CHECKS.map((one) => (
          <Checkbox
            key={one}
            label={t(`registration_rules.${one}`)}
            description={t(`registration_hints.${one}`)}
            {...form.getInputProps(`${at}.${one}`, { type: "checkbox" })}
          />
        ))}
        <Select
          label={t("default_plan")}
          description={t("default_plan_hint")}
          data={plans}
          clearable
          clearButtonProps={{ "aria-label": t("default_plan_none") }}
          error={form.errors["operator.default_plan"]}
          value={form.values.operator.default_plan || null}
          onChange={(value) => form.setFieldValue("operator.default_plan", value ?? "")}
        />
      </Section>
      <Section title={t("bounds")} lead={t("bounds_lead")}>
        <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="md">
          {COUNTS.map((one) => (
            <Bound key={one} form={form} name={one} />
          ))}
        </SimpleGrid>
      </Section>
      <Section title={t("domains")} lead={t("domains_lead")}>
        <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="md">
          {DOMAINS.map((one) => (
            <Domains key={one} form={form} name={one} />
          ))}
        </SimpleGrid>
      </Section>
    </>
  );
}

function Bound({ form, name }: { form: Form; name: (typeof COUNTS)[number] }) {
  const { t } = useTranslation("settings");
  const path = `site.registration.${name}` as const;
  return (
    <NumberInput
      label={t(`registration_rules.${name}`)}
      placeholder={t("no_bound")}
      min={0}
      allowDecimal={false}
      error={form.errors[path]}
      value={form.values.site.registration[name] ?? ""}
      onChange={(value) => form.setFieldValue(path, value === "" ? null : Number(value))}
    />
  );
}

/** One domain to a line. */
function Domains({ form, name }: { form: Form; name: (typeof DOMAINS)[number] }) {
  const { t } = useTranslation("settings");
  const path = `site.registration.${name}` as const;
  return (
    <Textarea
      label={t(`registration_rules.${name}`)}
      placeholder="example.org"
      autosize
      minRows={3}
      maxRows={10}
      error={form.errors[path]}
      defaultValue={linesOf(form.values.site.registration[name])}
      onChange={(event) => form.setFieldValue(path, listOf(event.currentTarget.value))}
    />
  );
}
