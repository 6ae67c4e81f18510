import { Button, Group } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { wholeList } from "@/api/lists";
import type { components } from "@/api/schema";
import { Confirm } from "@/ui/Confirm";
import { DataTable, type Column } from "@/ui/DataTable";
import { ErrorNote } from "@/ui/ErrorNote";
import { Section } from "@/ui/Page";
import { Time } from "@/ui/Time";
import { useRefreshProfile } from "./profile";

type Identity = components["schemas"]["IdentityAnswer"];
type Provider = components["schemas"]["ElsewhereAnswer"];

// What the end of a trip may have told: the texts' names.
const ERRORS = ["identity_taken", "expired", "refused"];

/** Accounts elsewhere that sign in to this one. */
export function IdentitiesSection({ providers, failed }: { providers: Provider[]; failed: string | null }) {
  const { t } = useTranslation("profile");
  const refresh = useRefreshProfile();
  const [doomed, setDoomed] = useState<Identity | null>(null);
  const query = useQuery({
    queryKey: ["profile", "identities"],
    queryFn: () => take(api.GET("/api/v1/profile/identities")),
  });
  const titles = Object.fromEntries(providers.map((one) => [one.name, one.title]));
  const columns: Column<Identity>[] = [
    { key: "provider", title: t("provider"), isLead: true, render: (one) => titles[one.provider] ?? one.provider },
    { key: "name", title: t("name"), render: (one) => one.name },
    { key: "created", title: t("added"), render: (one) => <Time ms={one.created_ms} look="date" /> },
    {
      key: "remove",
      title: "",
      align: "right",
      render: (one) => (
        <Button variant="subtle" color="red" size="compact-sm" onClick={() => setDoomed(one)}>
          {t("unlink")}
        </Button>
      ),
    },
  ];
  const link = useMutation({
    mutationFn: (provider: string) => take(api.POST("/api/v1/profile/identities", { body: { provider } })),
    onSuccess: ({ url }) => location.assign(url),
  });
  const unlink = async () => {
    if (!doomed) return;
    const path = { provider: doomed.provider, subject: doomed.subject };
    await take(api.DELETE("/api/v1/profile/identities/{provider}/{subject}", { params: { path } }));
    await refresh();
  };
  return (
    <Section title={t("identities")} lead={t("identities_lead")}>
      {failed && !link.error && (
        <ErrorNote error={new Error(t(`error.${ERRORS.includes(failed) ? failed : "provider_fault"}`))} />
      )}
      {link.error && <ErrorNote error={link.error} />}
      <DataTable
        label={t("identities")}
        list={wholeList(query.data?.items, query)}
        columns={columns}
        rowKey={(one) => `${one.provider} ${one.subject}`}
        empty={t("no_identities")}
      />
      <Group gap="sm">
        {providers.map((one) => (
          <Button key={one.name} variant="default" loading={!link.isIdle && !link.isError && link.variables === one.name} onClick={() => link.mutate(one.name)}>
            {t("link", { name: one.title })}
          </Button>
        ))}
      </Group>
      <Confirm
        title={t("unlink_title", { name: doomed ? (titles[doomed.provider] ?? doomed.provider) : "" })}
        action={t("unlink")}
        isOpen={doomed !== null}
        onClose={() => setDoomed(null)}
        onConfirm={unlink}
      >
        {t("unlink_lead")}
      </Confirm>
    </Section>
  );
}
