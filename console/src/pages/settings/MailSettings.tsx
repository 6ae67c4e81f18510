import { Button, Group, NumberInput, Select, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { ErrorNote } from "@/ui/ErrorNote";
import { Section } from "@/ui/Page";
import { StatusBadge } from "@/ui/StatusBadge";
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
      <TestMail isUnsaved={form.isDirty()} />
    </Section>
  );
}

const TONES = { sent: "good", no_server: "warn", unreachable: "bad", encryption: "bad", sign_in: "bad", refused: "bad" } as const;

/** Sends a letter to who asks, by what is saved. */
function TestMail({ isUnsaved }: { isUnsaved: boolean }) {
  const { t } = useTranslation("settings");
  const test = useMutation({ mutationFn: () => take(api.POST("/api/v1/settings/mail-test")) });
  const outcome = test.data?.outcome;
  return (
    <div>
      <Group gap="md">
        <Button variant="default" loading={test.isPending} disabled={isUnsaved} onClick={() => test.mutate()}>
          {t("mail_test")}
        </Button>
        <span role="status">
          {isUnsaved
            ? t("mail_test_unsaved")
            : outcome && <StatusBadge tone={TONES[outcome]}>{t(`mail_outcome.${outcome}`, { to: test.data?.to })}</StatusBadge>}
        </span>
      </Group>
      {test.error && <ErrorNote error={test.error} />}
    </div>
  );
}
