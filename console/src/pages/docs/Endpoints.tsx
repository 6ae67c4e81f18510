import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { wholeList } from "@/api/lists";
import type { components } from "@/api/schema";
import { DataTable, type Column } from "@/ui/DataTable";
import { Section } from "@/ui/Page";

type Endpoint = components["schemas"]["EndpointAnswer"];

/** Every path that the relay answers, as it says itself. */
export function Endpoints() {
  const { t } = useTranslation("docs");
  const query = useQuery({ queryKey: ["endpoints"], queryFn: () => take(api.GET("/api/v1/endpoints")), staleTime: Infinity });
  const columns: Column<Endpoint>[] = [
    {
      key: "path",
      title: t("path"),
      isLead: true,
      render: (one) => (
        <code>
          {one.method} {one.path}
        </code>
      ),
    },
    { key: "dialect", title: t("api"), render: (one) => (one.needs_key ? t(`dialect.${one.dialect}`) : t("own")) },
    { key: "name", title: t("name"), render: (one) => <code>{one.name}</code> },
    { key: "charged", title: t("charged"), render: (one) => t(one.is_charged ? "yes" : "no") },
  ];
  return (
    <Section id="endpoints" title={t("endpoints")} lead={t("endpoints_lead")}>
      <DataTable
        label={t("endpoints")}
        list={wholeList(query.data?.items, query)}
        columns={columns}
        rowKey={(one) => `${one.method} ${one.path}`}
        empty={t("none")}
      />
    </Section>
  );
}
