import { Group, NumberInput, Select, TextInput } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Section } from "@/ui/Page";
import { SecretField } from "./SecretField";
import type { Form } from "./form";

const SECURITIES = ["starttls", "tls", "none"] as const;

/** The mail server that letters go out by. */
export function MailSettings({ form, isSet }: { form: Form; isSet: boolean }) {
  const { t } = useTranslation("settings");
  return (
    <Section title={t("mail")} lead={t("mail_lead")}>
      <TextInput label={t("mail_host")} placeholder="smtp.example.org" {...form.getInputProps("site.mail.host")} />
      <Group gap="md" align="flex-start">
        <Select
          label={t("mail_security")}
          data={SECURITIES.map((one) => ({ value: one, label: t(`security.${one}`) }))}
          allowDeselect={false}
          {...form.getInputProps("site.mail.security")}
        />
        <NumberInput label={t("mail_port")} min={1} max={65535} w={110} {...form.getInputProps("site.mail.port")} />
      </Group>
      <TextInput
        label={t("mail_sender")}
        description={t("mail_sender_hint")}
        placeholder="relay@example.org"
        {...form.getInputProps("site.mail.sender")}
      />
      <TextInput label={t("mail_username")} autoComplete="off" {...form.getInputProps("site.mail.username")} />
      <SecretField form={form} name="mail" label={t("mail_password")} isSet={isSet} />
    </Section>
  );
}
