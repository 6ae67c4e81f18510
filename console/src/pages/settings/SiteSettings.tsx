import { Select, TextInput } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { mayUse, useMember } from "@/api/session";
import { LANGUAGES } from "@/app/i18n";
import { Section } from "@/ui/Page";
import { Logo } from "./Logo";
import type { Form, Values } from "./form";

/** What the site is called, where it is, and in which languages. */
export function SiteSettings({ form }: { form: Form }) {
  const { t } = useTranslation("settings");
  const isOwner = mayUse(useMember(), "roles:write");
  const languages = form.values.site.languages.join(" ");
  const choices = [
    { value: "en zh", label: t("languages_both", { first: LANGUAGES.en, second: LANGUAGES.zh }) },
    { value: "zh en", label: t("languages_both", { first: LANGUAGES.zh, second: LANGUAGES.en }) },
    { value: "en", label: LANGUAGES.en },
    { value: "zh", label: LANGUAGES.zh },
  ];
  return (
    <>
      <Section title={t("site")}>
        <TextInput label={t("name")} description={t("name_hint")} maxLength={60} {...form.getInputProps("site.name")} />
        <TextInput label={t("operator_name")} description={t("operator_name_hint")} {...form.getInputProps("operator.name")} />
        <Logo />
        <TextInput
          label={t("public_url")}
          description={isOwner ? t("public_url_hint") : `${t("public_url_hint")} ${t("owners_only")}`}
          disabled={!isOwner}
          placeholder="https://relay.example.org"
          {...form.getInputProps("site.public_url")}
        />
        <TextInput
          type="email"
          label={t("contact_email")}
          description={t("contact_email_hint")}
          {...form.getInputProps("site.contact_email")}
        />
      </Section>
      <Section title={t("here")}>
        <Select
          label={t("languages")}
          description={t("languages_hint")}
          data={choices}
          allowDeselect={false}
          error={form.errors["site.languages"]}
          value={languages}
          onChange={(value) => form.setFieldValue("site.languages", (value ?? "en").split(" ") as Values["site"]["languages"])}
        />
        <TextInput label={t("timezone")} description={t("timezone_hint")} {...form.getInputProps("operator.timezone")} />
      </Section>
    </>
  );
}
