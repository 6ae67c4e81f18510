import { Anchor, Button, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Link, useRouteError } from "react-router";
import { Page } from "@/ui/Page";

export function MissingPage() {
  const { t } = useTranslation();
  return (
    <Page title={t("missing.title")}>
      <Text>{t("missing.text")}</Text>
      <Anchor component={Link} to="/">
        {t("missing.home")}
      </Anchor>
    </Page>
  );
}

/** What stands in a page's place when it threw. The error itself is for the browser's console. */
export function FailedPage() {
  const { t } = useTranslation();
  const error = useRouteError();
  const isOldBuild = error instanceof TypeError && /import/i.test(error.message);
  return (
    <Page title={t("failed.title")}>
      <Text>{t(isOldBuild ? "failed.old_build" : "failed.text")}</Text>
      <div>
        <Button onClick={() => location.reload()}>{t("failed.reload")}</Button>
      </div>
    </Page>
  );
}
