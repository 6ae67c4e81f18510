import { Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { CopyLine } from "@/ui/Code";
import { Copy } from "@/ui/Copy";
import { Dialog } from "@/ui/Dialog";
import { ErrorNote } from "@/ui/ErrorNote";
import { useSubmit } from "@/ui/forms";
import { sayDone, sayFailed } from "@/ui/notices";
import { Section } from "@/ui/Page";
import { StatusBadge } from "@/ui/StatusBadge";
import { useRefreshProfile, type Profile } from "./profile";
import styles from "./Profile.module.css";
import { QrCode } from "./QrCode";

interface Beginning {
  token: string;
  secret: string;
  uri: string;
}

/** The code from an app that signing in asks for as well. */
export function SecondFactorSection({ profile }: { profile: Profile }) {
  const { t } = useTranslation("profile");
  const refresh = useRefreshProfile();
  const [begun, setBegun] = useState<Beginning | null>(null);
  const [codes, setCodes] = useState<string[]>([]);
  const [asks, setAsks] = useState<"off" | "renew" | null>(null);

  const begin = async () => {
    try {
      setBegun(await take(api.POST("/api/v1/profile/totp")));
    } catch (thrown) {
      sayFailed(thrown as Error);
    }
  };
  const turnOn = async (code: string) => {
    if (!begun) return;
    const answer = await take(api.PUT("/api/v1/profile/totp", { body: { token: begun.token, code } }));
    setBegun(null);
    setCodes(answer.codes);
    await refresh();
  };
  const turnOff = async (code: string) => {
    await take(api.POST("/api/v1/profile/totp/off", { body: { code } }));
    setCodes([]);
    setAsks(null);
    await refresh();
    sayDone(t("totp_off_done"));
  };
  const renew = async (code: string) => {
    const answer = await take(api.POST("/api/v1/profile/totp/recovery-codes", { body: { code } }));
    setAsks(null);
    setCodes(answer.codes);
  };
  return (
    <Section
      title={t("totp")}
      lead={t("totp_lead")}
      actions={
        profile.has_totp ? (
          <Group gap="xs">
            <Button variant="default" size="compact-md" onClick={() => setAsks("renew")}>
              {t("renew_codes")}
            </Button>
            <Button variant="default" size="compact-md" onClick={() => setAsks("off")}>
              {t("turn_off")}
            </Button>
          </Group>
        ) : (
          <Button variant="default" size="compact-md" onClick={() => void begin()}>
            {t("turn_on")}
          </Button>
        )
      }
    >
      <StatusBadge tone={profile.has_totp ? "good" : "quiet"}>{profile.has_totp ? t("on") : t("off")}</StatusBadge>
      {codes.length > 0 && <RecoveryCodes codes={codes} />}
      <Dialog opened={begun !== null} onClose={() => setBegun(null)} title={t("turn_on")}>
        {begun && (
          <Stack gap="sm">
            <Text size="sm">{t("scan")}</Text>
            <QrCode text={begun.uri} label={t("qr")} />
            <CopyLine value={begun.secret} label={t("totp_secret")} />
            <CodeForm action={t("turn_on")} onCode={turnOn} />
          </Stack>
        )}
      </Dialog>
      <Dialog
        opened={asks !== null}
        onClose={() => setAsks(null)}
        title={asks === "off" ? t("turn_off") : t("renew_codes")}
      >
        <Stack gap="sm">
          <Text size="sm">{asks === "off" ? t("turn_off_lead") : t("renew_lead")}</Text>
          <CodeForm action={asks === "off" ? t("turn_off") : t("renew_codes")} onCode={asks === "off" ? turnOff : renew} />
        </Stack>
      </Dialog>
    </Section>
  );
}

function CodeForm({ action, onCode }: { action: string; onCode: (code: string) => Promise<void> }) {
  const { t } = useTranslation("profile");
  const form = useForm({ initialValues: { code: "" } });
  const { error, submit } = useSubmit(form, async ({ code }) => {
    await onCode(code);
  });
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        {error && <ErrorNote error={error} />}
        <TextInput
          label={t("code")}
          description={t("code_hint")}
          autoComplete="one-time-code"
          required
          data-autofocus
          {...form.getInputProps("code")}
        />
        <Button type="submit" loading={form.submitting}>
          {action}
        </Button>
      </Stack>
    </form>
  );
}

function RecoveryCodes({ codes }: { codes: string[] }) {
  const { t } = useTranslation("profile");
  return (
    <div className={styles.once} role="group" aria-label={t("recovery_codes")}>
      <Text size="sm" mb="xs">
        {t("recovery_lead")}
      </Text>
      <ul className={styles.codes}>
        {codes.map((code) => (
          <li key={code}>{code}</li>
        ))}
      </ul>
      <Group mt="sm">
        <Copy value={codes.join("\n")} label={t("common:copy")} />
      </Group>
    </div>
  );
}
