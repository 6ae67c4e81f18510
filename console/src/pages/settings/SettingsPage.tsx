import { Button, Group, Tabs, Text } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { useTranslation } from "react-i18next";
import { useSearchParams } from "react-router";
import { api, take } from "@/api/client";
import { Problem } from "@/api/problems";
import { mayUse, useMember } from "@/api/session";
import { ErrorNote } from "@/ui/ErrorNote";
import { showProblem, useSubmit } from "@/ui/forms";
import { Loaded } from "@/ui/Loaded";
import { sayDone } from "@/ui/notices";
import { Page } from "@/ui/Page";
import { CallSettings } from "./CallSettings";
import { MailSettings } from "./MailSettings";
import { MoneySettings } from "./MoneySettings";
import { RegistrationSettings } from "./RegistrationSettings";
import { SignInSettings } from "./SignInSettings";
import { SiteSettings } from "./SiteSettings";
import { Texts } from "./Texts";
import styles from "./Settings.module.css";
import { bodyOf, TABS, tabOf, valuesOf, type Settings, type Tab, type Values } from "./form";

/** All that the operator decides about the site, in one form over several tabs. */
export default function SettingsPage() {
  const { t } = useTranslation("settings");
  const query = useQuery({ queryKey: ["settings"], queryFn: () => take(api.GET("/api/v1/settings")), staleTime: Infinity });
  return (
    <Page title={t("settings")} lead={t("lead")}>
      <Loaded query={query}>{(known) => <Editor settings={known} />}</Loaded>
    </Page>
  );
}

function Editor({ settings }: { settings: Settings }) {
  const { t } = useTranslation("settings");
  const [params, setParams] = useSearchParams();
  const tab = TABS.find((one) => one === params.get("tab")) ?? "site";
  const show = (one: string | null) => setParams({ tab: one ?? "site" }, { replace: true });
  const { form, error, submit } = useSettingsForm(settings, show);
  const isReadOnly = !mayUse(useMember(), "settings:write");
  const panels: Record<Exclude<Tab, "texts">, React.ReactNode> = {
    site: <SiteSettings form={form} />,
    mail: (
      <OwnersOnly>
        <MailSettings form={form} isSet={settings.secrets.includes("mail")} />
      </OwnersOnly>
    ),
    sign_in: (
      <OwnersOnly>
        <SignInSettings form={form} secrets={settings.secrets} />
      </OwnersOnly>
    ),
    registration: <RegistrationSettings form={form} plans={settings.plans} />,
    money: <MoneySettings form={form} plans={settings.plans} />,
    calls: <CallSettings form={form} />,
  };
  return (
    <Tabs value={tab} onChange={show} keepMounted={false}>
      <Tabs.List>
        {TABS.map((one) => (
          <Tabs.Tab key={one} value={one}>
            {t(`tabs.${one}`)}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      <form onSubmit={submit}>
        <fieldset className={styles.fields} disabled={isReadOnly}>
          {Object.entries(panels).map(([name, panel]) => (
            <Tabs.Panel key={name} value={name} className={styles.panel!}>
              {panel}
            </Tabs.Panel>
          ))}
        </fieldset>
        {error && <ErrorNote error={error} />}
        {form.isDirty() && !isReadOnly && (
          <Group className={styles.bar!} gap="xs">
            <span className={styles.unsaved}>{t("unsaved")}</span>
            <Button variant="default" onClick={form.reset}>
              {t("undo")}
            </Button>
            <Button type="submit" loading={form.submitting}>
              {t("common:save")}
            </Button>
          </Group>
        )}
      </form>
      <Tabs.Panel value="texts" className={styles.panel!}>
        <Texts />
      </Tabs.Panel>
    </Tabs>
  );
}

/** Fields of how people get in: whoever set the mail server could have an owner's reset link sent to themselves. */
function OwnersOnly({ children }: { children: React.ReactNode }) {
  const { t } = useTranslation("settings");
  const isOwner = mayUse(useMember(), "roles:write");
  return (
    <>
      {!isOwner && <Text size="sm">{t("owners_only")}</Text>}
      <fieldset className={`${styles.fields} ${styles.panel}`} disabled={!isOwner}>
        {children}
      </fieldset>
    </>
  );
}

/** The form; a field that is refused brings its tab to the front. */
function useSettingsForm(settings: Settings, show: (tab: Tab) => void) {
  const { t } = useTranslation("settings");
  const client = useQueryClient();
  const form = useForm<Values>({ initialValues: valuesOf(settings) });
  useEffect(() => {
    form.setInitialValues(valuesOf(settings));
    form.reset();
  }, [settings.version]); // only what was saved, or read anew, goes before what is being typed
  const send = async (values: Values) => {
    const saved = await take(api.PUT("/api/v1/settings", { body: bodyOf(values, settings.version) }));
    client.setQueryData(["settings"], saved);
    form.setInitialValues(valuesOf(saved));
    form.reset();
    await client.invalidateQueries({ queryKey: ["site"] });
    sayDone(t("saved"));
  };
  const { error, submit } = useSubmit(form, send, (_, thrown) => {
    const first = thrown instanceof Problem && Object.keys(thrown.fields)[0];
    if (first) show(tabOf(first));
    return showProblem(form, thrown);
  });
  return { form, error, submit };
}
