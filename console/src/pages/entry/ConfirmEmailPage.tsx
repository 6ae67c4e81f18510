import { Anchor, Button, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { api, take } from "@/api/client";
import { useRefreshSession } from "@/api/session";
import { ErrorNote } from "@/ui/ErrorNote";
import { Page } from "@/ui/Page";
import { useHash } from "./hash";

/** Where the link to a new address leads. It takes a click, so that a mail scanner that opens links changes nothing. */
export default function ConfirmEmailPage() {
  const { t } = useTranslation("entry");
  const token = useHash().get("token") ?? "";
  const refresh = useRefreshSession();
  const confirm = useMutation({
    mutationFn: () => take(api.POST("/api/v1/profile/email/confirm", { body: { token } })),
    onSuccess: () => refresh(),
  });
  return (
    <Page title={t("confirm_title")} lead={confirm.data ? t("confirm_done", { email: confirm.data.email }) : t("confirm_lead")}>
      {confirm.error && <ErrorNote error={confirm.error} />}
      <Text size="sm">
        {confirm.data ? (
          <Anchor component={Link} to="/profile">
            {t("to_profile")}
          </Anchor>
        ) : (
          <Button loading={confirm.isPending} disabled={!token} onClick={() => confirm.mutate()}>
            {t("confirm_action")}
          </Button>
        )}
      </Text>
    </Page>
  );
}
