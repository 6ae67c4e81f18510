import { Anchor } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { api, take } from "@/api/client";
import { wholeList } from "@/api/lists";
import type { components } from "@/api/schema";
import { Count } from "@/ui/Count";
import { DataTable, type Column } from "@/ui/DataTable";
import { Section } from "@/ui/Page";
import { Time } from "@/ui/Time";

type Refusal = components["schemas"]["RefusalAnswer"];

const REFRESH_MS = 15_000;

function Code({ of }: { of: Refusal }) {
  return (
    <Anchor component={Link} to={`/docs#error${of.relay_code}`}>
      {of.relay_code}
    </Anchor>
  );
}

/** Why calls were refused lately, with what the client was told. */
export function Refused() {
  const { t, i18n } = useTranslation("dashboard");
  const query = useQuery({
    queryKey: ["dashboard-refusals", i18n.language],
    queryFn: () => take(api.GET("/api/v1/dashboard/refusals")),
    refetchInterval: REFRESH_MS,
  });
  const columns: Column<Refusal>[] = [
    { key: "message", title: t("why"), isLead: true, render: (one) => one.message },
    { key: "code", title: t("error"), render: (one) => <Code of={one} /> },
    { key: "model", title: t("model"), render: (one) => one.model || "–" },
    { key: "key", title: t("key"), render: (one) => one.key_name },
    { key: "times", title: t("times"), align: "right", render: (one) => <Count value={one.times} /> },
    { key: "at", title: t("at"), align: "right", render: (one) => <Time ms={one.at_ms} look="relative" /> },
  ];
  return (
    <Section title={t("refused")} lead={t("refused_lead")}>
      <DataTable
        label={t("refused")}
        list={wholeList(query.data?.items, query)}
        columns={columns}
        rowKey={(one) => one.request_id}
        empty={t("none_refused")}
      />
    </Section>
  );
}
