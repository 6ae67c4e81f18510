import { Anchor, Button, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useNavigate, useSearchParams } from "react-router";
import { api, take } from "@/api/client";
import { Problem } from "@/api/problems";
import { useRefreshSession, useSession } from "@/api/session";
import { ErrorNote } from "@/ui/ErrorNote";
import { showProblem, useSubmit } from "@/ui/forms";
import { Page } from "@/ui/Page";
import { PageSkeleton } from "@/ui/PageSkeleton";
import styles from "./Entry.module.css";
import { safeNext, useHash } from "./hash";
import { OtherWays } from "./OtherWays";
import { useWaysIn } from "./waysIn";

// What the end of a sign-in elsewhere may have told: the texts' names.
const ERRORS = [
  "email_taken", "email_refused", "email_unverified", "expired", "identity_taken", "invitation_needed",
  "provider_fault", "refused", "registration_closed", "too_many",
];

type Step = "password" | "code" | "code_elsewhere";

export default function SignInPage() {
  const { t } = useTranslation("entry");
  const [query] = useSearchParams();
  const told = useHash();
  const [step, setStep] = useState<Step>(told.get("step") === "code" ? "code_elsewhere" : "password");
  const ways = useWaysIn();
  const session = useSession();
  const refresh = useRefreshSession();
  const navigate = useNavigate();
  const next = safeNext(told.get("next") ?? query.get("next"));
  const form = useForm({ initialValues: { email: "", password: "", code: "" } });

  const enter = async () => {
    await refresh();
    await navigate(next, { replace: true });
  };
  useEffect(() => {
    if (session.data) void navigate(next, { replace: true });
  }, [session.data, navigate, next]);

  const send = async ({ email, password, code }: typeof form.values) => {
    if (step === "code_elsewhere") await take(api.POST("/api/v1/sign-in/code", { body: { code } }));
    else await take(api.POST("/api/v1/session", { body: { email, password, code } }));
    await enter();
  };
  const { error, submit } = useSubmit(form, send, (_, thrown) => {
    if (!(thrown instanceof Problem && thrown.code === "second_factor_needed")) return showProblem(form, thrown);
    setStep("code");
    return null;
  });

  const failed = told.get("error");
  const asksCode = step !== "password";
  if (ways.isPending) return <PageSkeleton />;
  return (
    <Page title={asksCode ? t("code_title") : t("sign_in")} lead={asksCode ? t("code_lead") : undefined}>
      <Stack gap="md">
        {failed && !error && <ErrorNote error={new Error(t(`error.${ERRORS.includes(failed) ? failed : "expired"}`))} />}
        {error && <ErrorNote error={error} />}
        {ways.error && <ErrorNote error={ways.error} onRetry={() => void ways.refetch()} />}
        {(asksCode || ways.data?.password) && (
          <form onSubmit={submit}>
            <Stack gap="sm">
              {!asksCode && (
                <>
                  <TextInput label={t("email")} type="email" autoComplete="username webauthn" required autoFocus {...form.getInputProps("email")} />
                  <PasswordInput
                    label={t("password")}
                    autoComplete="current-password"
                    required
                    {...form.getInputProps("password")}
                  />
                </>
              )}
              {asksCode && (
                <TextInput
                  label={t("code")}
                  description={t("code_hint")}
                  autoComplete="one-time-code"
                  autoFocus
                  required
                  {...form.getInputProps("code")}
                />
              )}
              <Button type="submit" loading={form.submitting}>
                {t("sign_in")}
              </Button>
            </Stack>
          </form>
        )}
        {!asksCode && ways.data?.password && (
          <Text size="sm">
            <Anchor component={Link} to="/reset" state={{ email: form.values.email }}>
              {t("forgotten")}
            </Anchor>
          </Text>
        )}
        {!asksCode && ways.data && <OtherWays ways={ways.data} next={next} onPasskey={enter} />}
        {!asksCode && ways.data && ways.data.registration !== "closed" && (
          <Text size="sm" className={styles.foot}>
            {t("no_account")}{" "}
            <Anchor component={Link} to="/register" underline="always">
              {t("register")}
            </Anchor>
          </Text>
        )}
      </Stack>
    </Page>
  );
}
