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
import { useSubmit } from "@/ui/forms";
import { LoadedPage } from "@/ui/Loaded";

/** Where the link that `posthouse serve` prints leads: makes the first owner. */
export default function SetupPage() {
  const { t } = useTranslation("access");
  const [params, setParams] = useSearchParams();
  const [token] = useState(params.get("token") ?? "");
  useEffect(() => {
    if (params.has("token")) setParams({}, { replace: true }); // so that it stays in no history
  }, [params, setParams]);
  const setup = useQuery({ queryKey: ["setup"], queryFn: () => take(api.GET("/api/v1/setup")), retry: 1 });
  return (
    <LoadedPage title={t("setup")} query={setup}>
      {({ is_needed }) => <Setup isNeeded={is_needed} token={token} />}
    </LoadedPage>
  );
}

function Setup({ isNeeded, token }: { isNeeded: boolean; token: string }) {
  const { t } = useTranslation("access");
  if (!isNeeded) {
    return (
      <Page title={t("setup_done")} lead={t("setup_done_text")}>
        <Button component={Link} to="/sign-in">
          {t("common:nav.sign_in")}
        </Button>
      </Page>
    );
  }
  return (
    <Page title={t("setup")} lead={t(token ? "setup_lead" : "setup_no_link")}>
      {token ? (
        <OwnerForm token={token} />
      ) : (
        <Anchor component={Link} to="/">
          {t("common:missing.home")}
        </Anchor>
      )}
    </Page>
  );
}

function OwnerForm({ token }: { token: string }) {
  const { t } = useTranslation("access");
  const form = useForm({ initialValues: { email: "", password: "" } });
  const refreshSession = useRefreshSession();
  const navigate = useNavigate();
  const { error, submit } = useSubmit(form, async (values) => {
    await take(api.POST("/api/v1/setup", { body: { ...values, token } }));
    await refreshSession();
    await navigate("/admin");
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
          {...form.getInputProps("password")}
        />
        <Button type="submit" loading={form.submitting}>
          {t("become_owner")}
        </Button>
      </Stack>
    </form>
  );
}
