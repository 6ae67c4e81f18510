import { Button, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { Dialog } from "@/ui/Dialog";
import { ErrorNote } from "@/ui/ErrorNote";
import { useSubmit } from "@/ui/forms";
import { Section } from "@/ui/Page";
import type { Profile } from "./profile";

/** The account's end. */
export function DeletionSection({ profile }: { profile: Profile }) {
  const { t } = useTranslation("profile");
  const [isOpen, setOpen] = useState(false);
  const form = useForm({ initialValues: { email: "", password: "" } });
  const { error, submit } = useSubmit(form, async ({ email, password }) => {
    await take(api.POST("/api/v1/profile/deletion", { body: { email, password } }));
    location.assign("/");
  });
  return (
    <Section
      title={t("deletion")}
      lead={t("deletion_lead")}
      actions={
        <Button variant="default" size="compact-md" color="red" onClick={() => setOpen(true)}>
          {t("delete_action")}
        </Button>
      }
    >
      <Dialog opened={isOpen} onClose={() => setOpen(false)} title={t("delete_title")}>
        <form onSubmit={submit}>
          <Stack gap="sm">
            <Text size="sm">{t("delete_text")}</Text>
            {error && <ErrorNote error={error} />}
            <TextInput
              label={t("delete_email", { email: profile.email })}
              required
              autoComplete="off"
              data-autofocus
              {...form.getInputProps("email")}
            />
            {profile.has_password && (
              <PasswordInput
                label={t("your_password")}
                required
                autoComplete="current-password"
                {...form.getInputProps("password")}
              />
            )}
            <Button type="submit" color="red" disabled={form.values.email !== profile.email} loading={form.submitting}>
              {t("delete_action")}
            </Button>
          </Stack>
        </form>
      </Dialog>
    </Section>
  );
}
