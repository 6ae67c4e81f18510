import { Button, Checkbox, Group, PasswordInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { ErrorNote } from "@/ui/ErrorNote";
import { useSubmit } from "@/ui/forms";
import { sayDone } from "@/ui/notices";
import { Section } from "@/ui/Page";
import { useRefreshProfile, type Profile } from "./profile";

/** Another password, or the first. */
export function PasswordSection({ profile }: { profile: Profile }) {
  const { t } = useTranslation("profile");
  const refresh = useRefreshProfile();
  const form = useForm({ initialValues: { old: "", new: "", revoke_tokens: false } });
  const { error, submit } = useSubmit(form, async (values) => {
    await take(api.PUT("/api/v1/profile/password", { body: values }));
    form.reset();
    await refresh();
    sayDone(t("password_done"));
  });
  return (
    <Section title={t("password")} lead={profile.has_password ? t("password_lead") : t("password_first")}>
      {error && <ErrorNote error={error} />}
      <form onSubmit={submit}>
        <Group align="end" gap="sm">
          {profile.has_password && (
            <PasswordInput
              label={t("old_password")}
              required
              w="14rem"
              autoComplete="current-password"
              {...form.getInputProps("old")}
            />
          )}
          <PasswordInput
            label={t("new_password")}
            required
            minLength={10}
            w="14rem"
            autoComplete="new-password"
            {...form.getInputProps("new")}
          />
          <Button type="submit" variant="default" loading={form.submitting}>
            {t("common:save")}
          </Button>
        </Group>
        <Checkbox mt="sm" label={t("revoke_tokens")} {...form.getInputProps("revoke_tokens", { type: "checkbox" })} />
      </form>
    </Section>
  );
}
