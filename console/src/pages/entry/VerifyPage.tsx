import { Anchor, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Link, useNavigate } from "react-router";
import { api, take } from "@/api/client";
import { useRefreshSession } from "@/api/session";
import { Page } from "@/ui/Page";
import { useHash } from "./hash";
import { PasswordForm } from "./PasswordForm";

/** Where the link in the registration's mail leads. */
export default function VerifyPage() {
  const { t } = useTranslation("entry");
  const token = useHash().get("token") ?? "";
  const refresh = useRefreshSession();
  const navigate = useNavigate();
  const finish = async (password: string) => {
    const answer = await take(api.POST("/api/v1/register/verify", { body: { token, password } }));
    await refresh();
    await navigate("/welcome", { replace: true, state: { key: answer.key } });
  };
  if (!token) {
    return (
      <Page title={t("no_link_title")} lead={t("no_link_lead")}>
        <Text size="sm">
          <Anchor component={Link} to="/register">
            {t("register")}
          </Anchor>
        </Text>
      </Page>
    );
  }
  return (
    <Page title={t("verify_title")} lead={t("verify_lead")}>
      <PasswordForm action={t("finish")} onChosen={finish} anew="/register" />
    </Page>
  );
}
