import { Anchor, Button, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link, useRouteError } from "react-router";
import { Unreachable } from "@/api/problems";
import { ErrorNote } from "@/ui/ErrorNote";
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

/** What stands in a page's place when it threw, or could not be fetched: the server is away, or has a newer build.
 * The error itself is for the browser's console. */
export function FailedPage() {
  const { t } = useTranslation();
  const error = useRouteError();
  const isNotFetched = error instanceof Error && /import|preload/i.test(error.message); // as browsers, and Vite of styles, say it
  const server = useQuery({ queryKey: ["reach"], queryFn: reach, enabled: isNotFetched, retry: false, networkMode: "always" });
  const reload = async () => {
    if (!isNotFetched || (await server.refetch()).isSuccess) location.reload(); // else the browser's own page came
  };
  if (server.error) {
    return (
      <Page title={t("failed.out_of_reach")}>
        <ErrorNote error={server.error} onRetry={() => void reload()} />
      </Page>
    );
  }
  return (
    <Page title={t("failed.title")}>
      {!server.isLoading && <Text>{t(isNotFetched ? "failed.old_build" : "failed.text")}</Text>}
      <div>
        <Button onClick={() => void reload()}>{t("failed.reload")}</Button>
      </div>
    </Page>
  );
}

async function reach(): Promise<boolean> {
  try {
    return (await fetch("/", { method: "HEAD", cache: "no-store" })).ok;
  } catch {
    throw new Unreachable();
  }
}
