import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { useList } from "@/api/lists";
import { Page, Section } from "@/ui/Page";
import { TIME_ZONE } from "@/ui/Time";
import { CallDetails } from "./CallDetails";
import { CallTable } from "./CallTable";
import { ExportButton } from "./ExportButton";
import { Filters } from "./Filters";
import { SumsAndChart } from "./SumsAndChart";
import { queryOf, useWanted } from "./wanted";

const REFETCH_MS = 30_000;
const SIDES = ["model", "account", "key"] as const;
type By = (typeof SIDES)[number];

/** All members' calls, for the operator's people. */
export default function SiteUsagePage() {
  const { t } = useTranslation("usage");
  const { wanted, set, span } = useWanted();
  const [by, setBy] = useState<By>("model");
  const [open, setOpen] = useState("");
  const account = wanted.filters.account || undefined;
  const asked = { ...queryOf(wanted, span), account, channel: wanted.filters.channel || undefined };
  const summed = { ...asked, to_ms: span.to_ms, step: span.step, time_zone: TIME_ZONE };
  const series = useQuery({
    queryKey: ["site-usage", "series", summed, by],
    queryFn: () => take(api.GET("/api/v1/admin/usage/series", { params: { query: { ...summed, by } } })),
    refetchInterval: span.isOpen ? REFETCH_MS : false,
    placeholderData: keepPreviousData,
  });
  const calls = useList(["site-usage", "calls", asked], (after) =>
    take(api.GET("/api/v1/admin/usage", { params: { query: { ...asked, after } } })),
  );
  const models = [...new Set(calls.items.map((call) => call.model))].sort();
  return (
    <Page
      title={t("site_title")}
      lead={t("site_lead")}
      actions={<ExportButton path="/api/v1/admin/usage/export" query={asked} expected={series.data?.total.requests ?? 0} />}
    >
      <Filters wanted={wanted} set={set} models={models} isOfSite />
      <SumsAndChart query={series} span={span} by={by} sides={SIDES} onBy={setBy} />
      <Section title={t("calls")}>
        <CallTable list={calls} isOfSite onOpen={setOpen} />
      </Section>
      <CallDetails
        requestId={open}
        read={(request_id) => take(api.GET("/api/v1/admin/usage/{request_id}", { params: { path: { request_id } } }))}
        onClose={() => setOpen("")}
      />
    </Page>
  );
}
