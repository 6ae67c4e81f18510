import { Button, Group, PasswordInput, Text, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { ErrorNote } from "@/ui/ErrorNote";
import { useSubmit } from "@/ui/forms";
import { Section } from "@/ui/Page";
import { StatusBadge } from "@/ui/StatusBadge";
import type { Profile } from "./profile";

/** The address as it is, and another one in its place. */
export function EmailSection({ profile }: { profile: Profile }) {
  const { t } = useTranslation("profile");
  const [mailedTo, setMailedTo] = useState("");
  const form = useForm({ initialValues: { email: "", password: "" } });
  const { error, submit } = useSubmit(form, async ({ email, password }) => {
    await take(api.POST("/api/v1/profile/email", { body: { email, password } }));
    setMailedTo(email);
    form.reset();
  });
  return (
    <Section title={t("email")}>
      <Group gap="sm">
        <Text>{profile.email}</Text>
        <StatusBadge tone={profile.is_email_verified ? "good" : "warn"}>
          {profile.is_email_verified ? t("verified") : t("unverified")}
        </StatusBadge>
      </Group>
      {error && <ErrorNote error={error} />}
      <form onSubmit={submit}>
        <Group align="end" gap="sm">
          <TextInput label={t("new_email")} type="email" required w="16rem" autoComplete="email" {...form.getInputProps("email")} />
          {profile.has_password && (
            <PasswordInput
              label={t("your_password")}
              required
              w="14rem"
              autoComplete="current-password"
              {...form.getInputProps("password")}
            />
          )}
          <Button type="submit" variant="default" loading={form.submitting}>
            {t("mail_link")}
          </Button>
        </Group>
      </form>
      <Text size="sm" c="dimmed" role="status">
        {mailedTo ? t("mailed", { email: mailedTo }) : t("email_lead")}
      </Text>
    </Section>
  );
}
