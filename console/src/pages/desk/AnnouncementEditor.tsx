import { Anchor, Button, Checkbox, Group, SimpleGrid, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useDisclosure } from "@mantine/hooks";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link, useNavigate, useParams } from "react-router";
import { api, take } from "@/api/client";
import { LANGUAGES, type Language } from "@/app/i18n";
import { MissingPage } from "@/app/FailedPage";
import { Confirm } from "@/ui/Confirm";
import { localOf } from "@/ui/days";
import { ErrorNote } from "@/ui/ErrorNote";
import { useSubmit } from "@/ui/forms";
import { LoadedPage } from "@/ui/Loaded";
import { sayDone } from "@/ui/notices";
import { Page, Section } from "@/ui/Page";
import { msOf, type Announcement } from "./announcement";
import { MarkdownField } from "./MarkdownField";

const NEW = "new";
const EMPTY = { title_en: "", title_zh: "", text_en: "", text_zh: "", pinned: false, from_ms: "", until_ms: "" };

/** Writes one announcement, or a new one where the address ends in "new". */
export default function AnnouncementEditor() {
  const { t } = useTranslation("desk");
  const { id = NEW } = useParams();
  const query = useQuery({
    queryKey: ["desk-announcements", id],
    queryFn: () => find(id),
    enabled: id !== NEW,
    staleTime: Infinity, // what is being written is not overwritten
  });
  if (id === NEW) return <Editor key={NEW} one={null} />;
  return (
    <LoadedPage title={t("change_announcement")} query={query}>
      {(one) => (one ? <Editor key={id} one={one} /> : <MissingPage />)}
    </LoadedPage>
  );
}

/** There are few announcements: the one is looked for among them. */
async function find(id: string): Promise<Announcement | null> {
  let after: string | undefined;
  do {
    const slice = await take(api.GET("/api/v1/admin/announcements", { params: { query: { after, limit: 200 } } }));
    const found = slice.items.find((one) => one.id === id);
    if (found) return found;
    after = slice.next;
  } while (after);
  return null;
}

function Editor({ one }: { one: Announcement | null }) {
  const { t } = useTranslation("desk");
  const navigate = useNavigate();
  const client = useQueryClient();
  const [isAsked, ask] = useDisclosure();
  const form = useForm({
    initialValues: one
      ? { ...EMPTY, ...words(one), pinned: one.pinned, from_ms: localOf(one.from_ms), until_ms: localOf(one.until_ms) }
      : EMPTY,
  });
  const leave = async () => {
    await client.invalidateQueries({ queryKey: ["desk-announcements"] });
    await client.invalidateQueries({ queryKey: ["announcements"] });
    await navigate("/admin/announcements");
  };
  const { error, submit } = useSubmit(form, async (values) => {
    const body = { ...values, from_ms: msOf(values.from_ms), until_ms: msOf(values.until_ms) };
    if (one) {
      const at = { params: { path: { announcement_id: one.id } } };
      await take(api.PUT("/api/v1/admin/announcements/{announcement_id}", { ...at, body }));
    } else {
      await take(api.POST("/api/v1/admin/announcements", { body }));
    }
    sayDone(t("common:saved"));
    await leave();
  });
  const withdraw = async () => {
    const at = { params: { path: { announcement_id: one!.id } } };
    await take(api.DELETE("/api/v1/admin/announcements/{announcement_id}", at));
    await leave();
  };
  return (
    <Page
      title={t(one ? "change_announcement" : "announce")}
      lead={
        <Anchor component={Link} to="/admin/announcements">
          {t("announcements")}
        </Anchor>
      }
    >
      <form onSubmit={submit}>
        <Stack gap="xl">
          {error && <ErrorNote error={error} />}
          <SimpleGrid cols={{ base: 1, md: 2 }} spacing="xl" verticalSpacing="xl">
            {(Object.keys(LANGUAGES) as Language[]).map((language) => (
              <Section key={language} title={LANGUAGES[language]}>
                <TextInput label={t("title")} maxLength={120} {...form.getInputProps(`title_${language}`)} />
                <MarkdownField label={t("text")} {...form.getInputProps(`text_${language}`)} />
              </Section>
            ))}
          </SimpleGrid>
          <Section title={t("when_shown")} lead={t("when_shown_lead")}>
            <Group align="flex-start" gap="lg">
              <TextInput type="datetime-local" label={t("from")} description={t("from_hint")} {...form.getInputProps("from_ms")} />
              <TextInput type="datetime-local" label={t("until")} description={t("until_hint")} {...form.getInputProps("until_ms")} />
            </Group>
            <Checkbox
              label={t("pin")}
              description={t("pin_hint")}
              {...form.getInputProps("pinned", { type: "checkbox" })}
            />
          </Section>
          <Group justify="flex-end" gap="xs">
            {one && (
              <Button variant="subtle" color="red" onClick={ask.open} mr="auto">
                {t("withdraw")}
              </Button>
            )}
            <Button type="submit" loading={form.submitting}>
              {t(one ? "common:save" : "announce")}
            </Button>
          </Group>
        </Stack>
      </form>
      <Confirm title={t("withdraw_question")} action={t("withdraw")} isOpen={isAsked} onClose={ask.close} onConfirm={withdraw}>
        {t("withdraw_text")}
      </Confirm>
    </Page>
  );
}

function words(one: Announcement) {
  const { title_en, title_zh, text_en, text_zh } = one;
  return { title_en, title_zh, text_en, text_zh };
}
