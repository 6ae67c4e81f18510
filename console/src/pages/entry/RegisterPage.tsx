import { Anchor, Button, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useNavigate, useSearchParams } from "react-router";
import { api, take } from "@/api/client";
import { useRefreshSession } from "@/api/session";
import { language } from "@/app/i18n";
import { ErrorNote } from "@/ui/ErrorNote";
import { useSubmit } from "@/ui/forms";
import { LoadedPage } from "@/ui/Loaded";
import { Page } from "@/ui/Page";
import styles from "./Entry.module.css";
import { OtherWays } from "./OtherWays";
import { solve } from "./proof";
import { useWaysIn, type WaysIn } from "./waysIn";

export default function RegisterPage() {
  const { t } = useTranslation("entry");
  const ways = useWaysIn();
  const [mailedTo, setMailedTo] = useState("");
  if (mailedTo) {
    return (
      <Page title={t("look_title")} lead={t("look_lead", { email: mailedTo })}>
        <Text size="sm" c="dimmed">
          {t("look_hint")}
        </Text>
        <Button variant="default" onClick={() => setMailedTo("")}>
          {t("again")}
        </Button>
      </Page>
    );
  }
  return (
    <LoadedPage title={t("register")} query={ways}>
      {(known) =>
        known.registration === "closed" ? <Page title={t("register")} lead={t("closed")} /> : <Form ways={known} onMailed={setMailedTo} />
      }
    </LoadedPage>
  );
}

function Form({ ways, onMailed }: { ways: WaysIn; onMailed: (email: string) => void }) {
  const { t } = useTranslation("entry");
  const [query] = useSearchParams();
  const [isChecking, setChecking] = useState(false);
  const refresh = useRefreshSession();
  const navigate = useNavigate();
  const form = useForm({ initialValues: { email: "", password: "", code: query.get("code") ?? "" } });
  const isInvited = ways.registration === "invitation";

  const { error, submit } = useSubmit(form, async ({ email, password, code }) => {
    setChecking(ways.proof_of_work);
    const proof = ways.proof_of_work ? await solve().finally(() => setChecking(false)) : "";
    const body = { email, password: ways.verify_email ? "" : password, language: language(), code, proof };
    const answer = await take(api.POST("/api/v1/register", { body }));
    if (answer.is_mailed) return onMailed(email);
    await refresh();
    await navigate("/welcome", { replace: true, state: { key: answer.key } });
  });

  return (
    <Page title={t("register")} lead={isInvited ? t("by_invitation") : ways.verify_email ? t("by_mail") : undefined}>
      <Stack gap="md">
        {error && <ErrorNote error={error} />}
        {ways.password && (
          <form onSubmit={submit}>
            <Stack gap="sm">
              <TextInput label={t("email")} type="email" autoComplete="email" required autoFocus {...form.getInputProps("email")} />
              {!ways.verify_email && (
                <PasswordInput
                  label={t("password")}
                  description={t("password_hint")}
                  autoComplete="new-password"
                  minLength={10}
                  required
                  {...form.getInputProps("password")}
                />
              )}
              <TextInput
                label={isInvited ? t("invitation") : t("invitation_optional")}
                autoComplete="off"
                required={isInvited}
                {...form.getInputProps("code")}
              />
              <Button type="submit" loading={form.submitting}>
                {t("register")}
              </Button>
              <div className={styles.working} role="status">
                {isChecking && t("checking")}
              </div>
            </Stack>
          </form>
        )}
        <OtherWays ways={ways} next="/dashboard" code={form.values.code} />
        <Text size="sm" className={styles.foot}>
          {t("agree")}{" "}
          <Anchor component={Link} to="/terms" underline="always">
            {t("terms")}
          </Anchor>
          {" · "}
          <Anchor component={Link} to="/privacy" underline="always">
            {t("privacy")}
          </Anchor>
        </Text>
        <Text size="sm">
          {t("has_account")}{" "}
          <Anchor component={Link} to="/sign-in" underline="always">
            {t("sign_in")}
          </Anchor>
        </Text>
      </Stack>
    </Page>
  );
}
