import { Button } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { wholeList } from "@/api/lists";
import type { components } from "@/api/schema";
import { Confirm } from "@/ui/Confirm";
import { DataTable, type Column } from "@/ui/DataTable";
import { Section } from "@/ui/Page";
import { StatusBadge } from "@/ui/StatusBadge";
import { Time } from "@/ui/Time";
import { browserOf } from "./browser";

type ListedSession = components["schemas"]["ListedSession"];

const KEY = ["sessions"];

/** Where the member is signed in, and the way to end that. */
export function SessionsSection() {
  const { t } = useTranslation("access");
  const client = useQueryClient();
  const query = useQuery({ queryKey: KEY, queryFn: () => take(api.GET("/api/v1/sessions")) });
  const [ended, setEnded] = useState<ListedSession | null>(null);
  const [endsAll, setEndsAll] = useState(false);
  const refresh = () => client.invalidateQueries({ queryKey: KEY });
  const endOne = async () => {
    if (!ended) return;
    await take(api.DELETE("/api/v1/sessions/{session_id}", { params: { path: { session_id: ended.id } } }));
    await refresh();
  };
  const endOthers = async () => {
    await take(api.DELETE("/api/v1/sessions"));
    await refresh();
  };
  const columns: Column<ListedSession>[] = [
    {
      key: "browser",
      title: t("browser"),
      isLead: true,
      render: (one) => (
        <span title={one.user_agent}>
          {browserOf(one.user_agent) || t("unknown_browser")} {one.is_current && <StatusBadge tone="good">{t("this_one")}</StatusBadge>}
        </span>
      ),
    },
    { key: "address", title: t("address"), render: (one) => one.address },
    { key: "since", title: t("signed_in"), render: (one) => <Time ms={one.created_ms} /> },
    { key: "seen", title: t("last_used"), render: (one) => <Time ms={one.seen_ms} look="relative" /> },
    {
      key: "end",
      title: "",
      align: "right",
      render: (one) =>
        !one.is_current && (
          <Button size="compact-sm" variant="default" onClick={() => setEnded(one)}>
            {t("end_session")}
          </Button>
        ),
    },
  ];
  const others = query.data?.items.some((one) => !one.is_current) ?? false;
  const actions = others && (
    <Button size="compact-md" variant="default" onClick={() => setEndsAll(true)}>
      {t("end_others")}
    </Button>
  );
  return (
    <Section id="sessions" title={t("sessions")} lead={t("sessions_lead")} actions={actions}>
      <DataTable label={t("sessions")} list={wholeList(query.data?.items, query)} columns={columns} rowKey={(one) => one.id} empty={t("no_sessions")} />
      <Confirm title={t("end_session_question")} action={t("end_session")} isOpen={ended !== null} onClose={() => setEnded(null)} onConfirm={endOne}>
        {t("end_session_text")}
      </Confirm>
      <Confirm title={t("end_others_question")} action={t("end_others")} isOpen={endsAll} onClose={() => setEndsAll(false)} onConfirm={endOthers}>
        {t("end_session_text")}
      </Confirm>
    </Section>
  );
}
