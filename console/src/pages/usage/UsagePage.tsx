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
const SIDES = ["model", "key"] as const;
type By = (typeof SIDES)[number];

/** A member's own calls: what they add up to, and each of them. */
export default function UsagePage() {
  const { t } = useTranslation("usage");
  const { wanted, set, span } = useWanted();
  const [by, setBy] = useState<By>("model");
  const [open, setOpen] = useState("");
  const asked = queryOf(wanted, span);
  const summed = { ...asked, to_ms: span.to_ms, step: span.step, time_zone: TIME_ZONE };
  const series = useQuery({
    queryKey: ["usage", "series", summed, by],
    queryFn: () => take(api.GET("/api/v1/usage/series", { params: { query: { ...summed, by } } })),
    refetchInterval: span.isOpen ? REFETCH_MS : false,
    placeholderData: keepPreviousData,
  });
  const keys = useQuery({ queryKey: ["keys"], queryFn: () => take(api.GET("/api/v1/keys")) });
  const calls = useList(["usage", "calls", asked], (after) => take(api.GET("/api/v1/usage", { params: { query: { ...asked, after } } })));
  const models = [...new Set([...(series.data?.groups ?? []).filter(() => by === "model").map((group) => group.name), ...calls.items.map((call) => call.model)])];
  return (
    <Page
      title={t("title")}
      lead={t("lead")}
      actions={<ExportButton path="/api/v1/usage/export" query={asked} expected={series.data?.total.requests ?? 0} />}
    >
      <Filters
        wanted={wanted}
        set={set}
        models={models.filter(Boolean).sort()}
        keys={(keys.data?.items ?? []).map((key) => ({ value: key.id, label: key.name || key.hint }))}
      />
      <SumsAndChart query={series} span={span} by={by} sides={SIDES} onBy={setBy} />
      <Section title={t("calls")}>
        <CallTable list={calls} onOpen={setOpen} />
      </Section>
      <CallDetails
        requestId={open}
        read={(request_id) => take(api.GET("/api/v1/usage/{request_id}", { params: { path: { request_id } } }))}
        onClose={() => setOpen("")}
      />
    </Page>
  );
}
