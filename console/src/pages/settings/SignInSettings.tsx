import { Button, Checkbox, Group, Input, TextInput } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useSite } from "@/api/site";
import { CopyLine } from "@/ui/Code";
import { Section } from "@/ui/Page";
import { SecretField } from "./SecretField";
import styles from "./Settings.module.css";
import { listOf, type Form } from "./form";

const NEW = { name: "", title: "", issuer: "", client_id: "", scopes: ["openid", "email", "profile"] };

/** The ways to sign in. */
export function SignInSettings({ form, secrets }: { form: Form; secrets: string[] }) {
  const { t } = useTranslation("settings");
  const { sign_in } = form.values.site;
  return (
    <>
      <Section title={t("sign_in")}>
        <Checkbox label={t("by_password")} {...form.getInputProps("site.sign_in.password", { type: "checkbox" })} />
        {form.errors["site.sign_in.password"] && <p className={styles.wrong}>{form.errors["site.sign_in.password"]}</p>}
        <Checkbox
          label={t("by_passkeys")}
          description={t("by_passkeys_hint")}
          {...form.getInputProps("site.sign_in.passkeys", { type: "checkbox" })}
        />
        <Callback />
      </Section>
      <Section title="GitHub" lead={t("github_lead")}>
        <TextInput label={t("client_id")} autoComplete="off" {...form.getInputProps("site.sign_in.github_client_id")} />
        <SecretField form={form} name="github" label={t("client_secret")} isSet={secrets.includes("github")} />
      </Section>
      <Section
        title="OpenID Connect"
        lead={t("oidc_lead")}
        actions={
          <Button variant="default" onClick={() => form.insertListItem("site.sign_in.oidc", NEW)}>
            {t("oidc_add")}
          </Button>
        }
      >
        {sign_in.oidc.map((one, index) => (
          <fieldset key={index} className={styles.provider}>
            <legend>{one.title || one.name || t("oidc_new")}</legend>
            <Provider form={form} index={index} isSet={secrets.includes(`oidc:${one.name}`)} />
          </fieldset>
        ))}
      </Section>
    </>
  );
}

function Provider({ form, index, isSet }: { form: Form; index: number; isSet: boolean }) {
  const { t } = useTranslation("settings");
  const one = form.values.site.sign_in.oidc[index]!;
  const at = `site.sign_in.oidc.${index}`;
  return (
    <>
      <Group gap="md" grow align="flex-start">
        <TextInput label={t("oidc_name")} description={t("oidc_name_hint")} {...form.getInputProps(`${at}.name`)} />
        <TextInput label={t("oidc_title")} description={t("oidc_title_hint")} {...form.getInputProps(`${at}.title`)} />
      </Group>
      <TextInput
        label={t("oidc_issuer")}
        placeholder="https://id.example.org"
        {...form.getInputProps(`${at}.issuer`)}
      />
      <TextInput label={t("client_id")} autoComplete="off" {...form.getInputProps(`${at}.client_id`)} />
      <SecretField form={form} name={`oidc:${one.name}`} label={t("client_secret")} isSet={isSet} />
      <TextInput
        label={t("oidc_scopes")}
        error={form.errors[`${at}.scopes`]}
        value={one.scopes.join(" ")}
        onChange={(event) => form.setFieldValue(`${at}.scopes`, listOf(event.currentTarget.value))}
      />
      <Button variant="subtle" color="red" style={{ alignSelf: "flex-start" }} onClick={() => form.removeListItem("site.sign_in.oidc", index)}>
        {t("oidc_remove")}
      </Button>
    </>
  );
}

/** Where providers send people back to. */
function Callback() {
  const { t } = useTranslation("settings");
  const origin = useSite()?.public_url || location.origin;
  return (
    <Input.Wrapper labelElement="div" label={t("callback")} description={t("callback_hint")}>
      <div>
        <CopyLine value={`${origin}/api/v1/sign-in/elsewhere/callback`} label={t("callback")} />
      </div>
    </Input.Wrapper>
  );
}
