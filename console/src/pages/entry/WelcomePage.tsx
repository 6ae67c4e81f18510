import { Anchor, Button, Group } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link, useLocation } from "react-router";
import { api, take } from "@/api/client";
import { Problem } from "@/api/problems";
import { useSite } from "@/api/site";
import { Connect } from "@/pages/keys/Connect";
import { CopyLine } from "@/ui/Code";
import { ErrorNote } from "@/ui/ErrorNote";
import { Page, Section } from "@/ui/Page";
import { PageSkeleton } from "@/ui/PageSkeleton";
import { SecretOnce } from "@/ui/SecretOnce";

/** The first page after registering: the first key, and a first call with it. Who came from elsewhere gets the key
 * here; "" where there is none to get. */
async function firstKey(): Promise<string> {
  try {
    return (await take(api.POST("/api/v1/register/key"))).key;
  } catch (thrown) {
    if (thrown instanceof Problem && thrown.status === 409) return "";
    throw thrown;
  }
}

export default function WelcomePage() {
  const { t } = useTranslation("entry");
  const site = useSite();
  const brought = (useLocation().state as { key?: string } | null)?.key;
  const fetched = useQuery({
    queryKey: ["first-key"],
    queryFn: firstKey,
    enabled: !brought,
    staleTime: Infinity,
    gcTime: 0,
    retry: false,
  });
  const wallet = useQuery({ queryKey: ["wallet"], queryFn: () => take(api.GET("/api/v1/wallet")) });
  const key = brought ?? fetched.data;
  if (key === undefined && fetched.isPending) return <PageSkeleton />;
  const baseUrl = `${site?.public_url || location.origin}/v1`;
  return (
    <Page title={t("welcome_title")} lead={key ? t("welcome_lead") : t("welcome_lead_plain")}>
      {fetched.error && !brought && <ErrorNote error={fetched.error} onRetry={() => void fetched.refetch()} />}
      {key && <SecretOnce secret={key} label={t("first_key")} />}
      <Section title={t("base_url")} lead={t("base_url_lead")}>
        <CopyLine value={baseUrl} label={t("base_url")} />
      </Section>
      <Section title={t("first_call")}>
        <Connect plan={wallet.data?.plan} secret={key || undefined} />
      </Section>
      <Group gap="md">
        <Button component={Link} to="/dashboard">
          {t("to_dashboard")}
        </Button>
        <Anchor component={Link} to="/keys" size="sm">
          {t("to_keys")}
        </Anchor>
        <Anchor component={Link} to="/docs" size="sm">
          {t("to_docs")}
        </Anchor>
      </Group>
    </Page>
  );
}
