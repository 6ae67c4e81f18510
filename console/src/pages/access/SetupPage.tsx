import { Anchor, Button, PasswordInput, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useNavigate, useSearchParams } from "react-router";
import { api, take } from "@/api/client";
import { useRefreshSession } from "@/api/session";
import { ErrorNote } from "@/ui/ErrorNote";
import { Page } from "@/ui/Page";
import { PageSkeleton } from "@/ui/PageSkeleton";
import { showProblem } from "@/ui/forms";

/** Where the link that `posthouse serve` prints leads: makes the first owner. */
export default function SetupPage() {
  const { t } = useTranslation("access");
  const [params, setParams] = useSearchParams();
  const [token] = useState(params.get("token") ?? "");
  useEffect(() => {
    if (params.has("token")) setParams({}, { replace: true }); // so that it stays in no history
  }, [params, setParams]);
  const setup = useQuery({ queryKey: ["setup"], queryFn: () => take(api.GET("/api/v1/setup")), retry: 1 });
  if (setup.isPending) return <PageSkeleton />;
  if (setup.error) {
    return (
      <Page title={t("setup")}>
        <ErrorNote error={setup.error} onRetry={() => void setup.refetch()} />
      </Page>
    );
  }
  if (!setup.data.is_needed) {
    return (
      <Page title={t("setup_done")} lead={t("setup_done_text")}>
        <Button component={Link} to="/sign-in">
          {t("common:nav.sign_in")}
        </Button>
      </Page>
    );
  }
  if (!token) {
    return (
      <Page title={t("setup")} lead={t("setup_no_link")}>
        <Anchor component={Link} to="/">
          {t("common:missing.home")}
        </Anchor>
      </Page>
    );
  }
  return (
    <Page title={t("setup")} lead={t("setup_lead")}>
      <OwnerForm token={token} />
    </Page>
  );
}

function OwnerForm({ token }: { token: string }) {
  const { t } = useTranslation("access");
  const form = useForm({ initialValues: { email: "", password: "" } });
  const [error, setError] = useState<Error | null>(null);
  const [isRunning, setRunning] = useState(false);
  const refreshSession = useRefreshSession();
  const navigate = useNavigate();
  const submit = form.onSubmit(async (values) => {
    setRunning(true);
    setError(null);
    try {
      await take(api.POST("/api/v1/setup", { body: { ...values, token } }));
      await refreshSession();
      await navigate("/admin");
    } catch (thrown) {
      setError(showProblem(form, thrown));
      setRunning(false);
    }
  });
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        {error && <ErrorNote error={error} />}
        <TextInput label={t("email")} type="email" autoComplete="username" required data-autofocus {...form.getInputProps("email")} />
        <PasswordInput
          label={t("password")}
          description={t("password_hint")}
          autoComplete="new-password"
          required
          visibilityToggleButtonProps={{ "aria-label": t("password_show"), tabIndex: 0 }}
          {...form.getInputProps("password")}
        />
        <Button type="submit" loading={isRunning}>
          {t("become_owner")}
        </Button>
      </Stack>
    </form>
  );
}
