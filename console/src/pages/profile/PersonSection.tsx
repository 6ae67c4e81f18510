import { Button, Group, Select, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { useMember } from "@/api/session";
import { LANGUAGES } from "@/app/i18n";
import { ErrorNote } from "@/ui/ErrorNote";
import { useSubmit } from "@/ui/forms";
import { sayDone } from "@/ui/notices";
import { Section } from "@/ui/Page";
import { useRefreshProfile, type Profile } from "./profile";

/** What to call somebody, and the language of mails to them. */
export function PersonSection({ profile }: { profile: Profile }) {
  const { t } = useTranslation("profile");
  const { is_view_only: isViewOnly } = useMember();
  const refresh = useRefreshProfile();
  const form = useForm({ initialValues: { name: profile.name, language: profile.language as string } });
  const { error, submit } = useSubmit(form, async ({ name, language }) => {
    await take(api.PATCH("/api/v1/profile", { body: { name, language: language === "zh" ? "zh" : "en" } }));
    await refresh();
    form.resetDirty();
    sayDone(t("common:saved"));
  });
  return (
    <Section title={t("person")}>
      {error && <ErrorNote error={error} />}
      <form onSubmit={submit}>
        <Group align="end" gap="sm">
          <TextInput
            label={t("name")}
            autoComplete="name"
            maxLength={60}
            w="16rem"
            readOnly={isViewOnly}
            {...form.getInputProps("name")}
          />
          <Select
            label={t("language")}
            w="12rem"
            allowDeselect={false}
            readOnly={isViewOnly}
            data={Object.entries(LANGUAGES).map(([value, label]) => ({ value, label }))}
            {...form.getInputProps("language")}
          />
          {!isViewOnly && (
            <Button type="submit" variant="default" disabled={!form.isDirty()} loading={form.submitting}>
              {t("common:save")}
            </Button>
          )}
        </Group>
      </form>
    </Section>
  );
}
