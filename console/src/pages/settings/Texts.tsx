import { Button, Group, Select, Stack } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useDisclosure } from "@mantine/hooks";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { language as shownLanguage, LANGUAGES, type Language } from "@/app/i18n";
import type { components } from "@/api/schema";
import { Choice } from "@/ui/Choice";
import { Confirm } from "@/ui/Confirm";
import { ErrorNote } from "@/ui/ErrorNote";
import { useSubmit } from "@/ui/forms";
import { sayDone } from "@/ui/notices";
import { Section } from "@/ui/Page";
import { PageSkeleton } from "@/ui/PageSkeleton";
import { Time } from "@/ui/Time";
import { MarkdownField } from "../desk/MarkdownField";

type Text = components["schemas"]["PageAnswer"];

const NAMES = ["landing", "faq", "payment", "terms", "privacy"] as const;

/** The pages that the operator may write. */
export function Texts() {
  const { t } = useTranslation("settings");
  const [name, setName] = useState<Text["name"]>("terms");
  const [language, setLanguage] = useState<Language>(shownLanguage());
  const query = useQuery({ queryKey: ["admin-pages"], queryFn: () => take(api.GET("/api/v1/admin/pages")), staleTime: Infinity });
  if (query.error) return <ErrorNote error={query.error} onRetry={() => void query.refetch()} />;
  const text = query.data?.items.find((one) => one.name === name && one.language === language);
  return (
    <Section title={t("texts")} lead={t("texts_lead")}>
      <Group gap="md" align="flex-end">
        <Select
          label={t("page")}
          data={NAMES.map((one) => ({ value: one, label: t(`pages.${one}`) }))}
          value={name}
          onChange={(value) => setName((value ?? "terms") as Text["name"])}
          allowDeselect={false}
        />
        <Choice label={t("languages")} value={language} onChange={setLanguage} of={Object.entries(LANGUAGES) as [Language, string][]} />
      </Group>
      {text ? <TextForm key={`${name} ${language} ${text.updated_ms}`} text={text} /> : <PageSkeleton />}
    </Section>
  );
}

function TextForm({ text }: { text: Text }) {
  const { t } = useTranslation("settings");
  const client = useQueryClient();
  const [isAsked, ask] = useDisclosure();
  const form = useForm({ initialValues: { text: text.text } });
  const at = { params: { path: { name: text.name, language: text.language } } };
  const refresh = async () => {
    await client.invalidateQueries({ queryKey: ["admin-pages"] });
    await client.invalidateQueries({ queryKey: ["pages"] });
  };
  const { error, submit } = useSubmit(form, async (body) => {
    await take(api.PUT("/api/v1/admin/pages/{name}/{language}", { ...at, body }));
    sayDone(t("common:saved"));
    await refresh();
  });
  const restore = async () => {
    await take(api.DELETE("/api/v1/admin/pages/{name}/{language}", at));
    await refresh();
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="md">
        {error && <ErrorNote error={error} />}
        <MarkdownField
          label={t("markdown")}
          description={text.updated_ms === null ? t("as_it_comes") : <ChangedAt ms={text.updated_ms} />}
          maxLength={100_000}
          {...form.getInputProps("text")}
        />
        <Group justify="flex-end" gap="xs">
          {text.updated_ms !== null && (
            <Button variant="subtle" color="red" mr="auto" onClick={ask.open}>
              {t("restore")}
            </Button>
          )}
          <Button type="submit" loading={form.submitting} disabled={!form.isDirty()}>
            {t("common:save")}
          </Button>
        </Group>
      </Stack>
      <Confirm title={t("restore_question")} action={t("restore")} isOpen={isAsked} onClose={ask.close} onConfirm={restore}>
        {t("restore_text")}
      </Confirm>
    </form>
  );
}

function ChangedAt({ ms }: { ms: number }) {
  const { t } = useTranslation("settings");
  return (
    <>
      {t("written")} <Time ms={ms} />
    </>
  );
}
