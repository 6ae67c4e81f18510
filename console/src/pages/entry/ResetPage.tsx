import { Anchor, Button, Checkbox, Stack, Text, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useLocation, useNavigate } from "react-router";
import { api, take } from "@/api/client";
import { useRefreshSession } from "@/api/session";
import { language } from "@/app/i18n";
import { ErrorNote } from "@/ui/ErrorNote";
import { useSubmit } from "@/ui/forms";
import { sayDone } from "@/ui/notices";
import { Page } from "@/ui/Page";
import { useHash } from "./hash";
import { PasswordForm } from "./PasswordForm";

/** Asks for the mail; and where its link leads. */
export default function ResetPage() {
  const token = useHash().get("token") ?? "";
  return token ? <NewPassword token={token} /> : <Forgotten />;
}

function NewPassword({ token }: { token: string }) {
  const { t } = useTranslation("entry");
  const refresh = useRefreshSession();
  const navigate = useNavigate();
  const [revokes, setRevokes] = useState(true);
  const reset = async (password: string) => {
    await take(api.POST("/api/v1/password/reset", { body: { token, password, revoke_tokens: revokes } }));
    await refresh();
    sayDone(t("reset_done"));
    await navigate("/sign-in", { replace: true });
  };
  return (
    <Page title={t("reset_title")} lead={t("reset_lead")}>
      <PasswordForm action={t("reset_action")} onChosen={reset} anew="/reset">
        <Checkbox label={t("revoke_tokens")} checked={revokes} onChange={(event) => setRevokes(event.currentTarget.checked)} />
      </PasswordForm>
    </Page>
  );
}

function Forgotten() {
  const { t } = useTranslation("entry");
  const [mailedTo, setMailedTo] = useState("");
  const typed = (useLocation().state as { email?: string } | null)?.email;
  const form = useForm({ initialValues: { email: typed ?? "" } });
  const { error, submit } = useSubmit(form, async ({ email }) => {
    await take(api.POST("/api/v1/password/forgotten", { body: { email, language: language() } }));
    setMailedTo(email);
  });
  if (mailedTo) {
    return (
      <Page title={t("look_title")} lead={t("forgotten_mailed", { email: mailedTo })}>
        <Button variant="default" onClick={() => setMailedTo("")}>
          {t("again")}
        </Button>
      </Page>
    );
  }
  return (
    <Page title={t("forgotten_title")} lead={t("forgotten_lead")}>
      <Stack gap="md">
        {error && <ErrorNote error={error} />}
        <form onSubmit={submit}>
          <Stack gap="sm">
            <TextInput label={t("email")} type="email" autoComplete="email" required autoFocus {...form.getInputProps("email")} />
            <Button type="submit" loading={form.submitting}>
              {t("forgotten_action")}
            </Button>
          </Stack>
        </form>
        <Text size="sm">
          <Anchor component={Link} to="/sign-in">
            {t("sign_in")}
          </Anchor>
        </Text>
      </Stack>
    </Page>
  );
}
