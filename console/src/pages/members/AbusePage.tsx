import { Button, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { api, take } from "@/api/client";
import { wholeList } from "@/api/lists";
import type { components } from "@/api/schema";
import { mayUse, useMember } from "@/api/session";
import { Choice } from "@/ui/Choice";
import { Confirm } from "@/ui/Confirm";
import { Count } from "@/ui/Count";
import { DataTable, type Column } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { sayDone, sayFailed } from "@/ui/notices";
import { Page, Section } from "@/ui/Page";
import { AccountStatus } from "./AccountStatus";
import styles from "./Members.module.css";

type Signal = components["schemas"]["SignalAnswer"];

const DAYS = ["1", "7", "30"] as const;

/** What looks like abuse, and the means to stop it. */
export default function AbusePage() {
  const { t } = useTranslation("members");
  const mayAct = mayUse(useMember(), "members:write");
  const [days, setDays] = useState<(typeof DAYS)[number]>("7");
  const [frozen, setFrozen] = useState<Signal | null>(null);
  const query = useQuery({
    queryKey: ["abuse", days],
    queryFn: () => take(api.GET("/api/v1/admin/abuse", { params: { query: { days: Number(days) } } })),
  });
  const columns = useColumns();
  const [dismissed, setDismissed] = useState<Signal | null>(null);
  const actions = useActions(setFrozen, setDismissed);
  return (
    <Page title={t("abuse")} lead={t("abuse_lead")}>
      <Choice
        style={{ alignSelf: "flex-start" }}
        label={t("period")}
        value={days}
        onChange={setDays}
        of={DAYS.map((one) => [one, t("days", { count: Number(one) })])}
      />
      <Section>
        <DataTable
          label={t("abuse")}
          list={wholeList(query.data?.items, query)}
          columns={mayAct ? [...columns, actions] : columns}
          rowKey={(one) => `${one.signal} ${one.subject}`}
          empty={<EmptyState title={t("no_abuse")}>{t("no_abuse_text")}</EmptyState>}
        />
      </Section>
      <FreezeAll key={frozen?.subject} signal={frozen} onClose={() => setFrozen(null)} />
      <Dismiss signal={dismissed} onClose={() => setDismissed(null)} />
    </Page>
  );
}

function useColumns(): Column<Signal>[] {
  const { t } = useTranslation("members");
  return [
    {
      key: "signal",
      title: t("signal"),
      isLead: true,
      render: (one) => (
        <div>
          {t(`signals.${one.signal}`, { count: one.size })}
          <div className={styles.under}>
            {one.key_hint ? <span className={styles.hint}>{one.key_hint}</span> : t("address", { hash: one.subject.slice(0, 8) })}
          </div>
        </div>
      ),
    },
    { key: "requests", title: t("calls"), align: "right", render: (one) => (one.requests ? <Count value={one.requests} isShort /> : "") },
    { key: "people", title: t("accounts"), render: (one) => <People signal={one} /> },
  ];
}

function People({ signal }: { signal: Signal }) {
  const { t } = useTranslation("members");
  const more = signal.accounts - signal.people.length;
  return (
    <ul className={styles.people}>
      {signal.people.map((one) => (
        <li key={one.id}>
          <Link className={styles.lead} to={`/admin/members/${one.id}`}>
            {one.email}
          </Link>
          {one.status === "frozen" && <AccountStatus status={one.status} />}
        </li>
      ))}
      {more > 0 && <li>{t("and_more", { count: more })}</li>}
    </ul>
  );
}

function useActions(freezeAll: (signal: Signal) => void, dismiss: (signal: Signal) => void): Column<Signal> {
  const { t } = useTranslation("members");
  const client = useQueryClient();
  const freezeKey = useMutation({
    mutationFn: (one: Signal) =>
      take(api.PATCH("/api/v1/admin/keys/{key_id}", { params: { path: { key_id: one.subject } }, body: { status: "frozen" } })),
    onSuccess: () => client.invalidateQueries({ queryKey: ["abuse"] }),
    onError: sayFailed,
  });
  return {
    key: "buttons",
    title: "",
    align: "right",
    render: (one) => (
      <>
        {one.key_status === "active" && (
          <Button size="compact-sm" variant="default" onClick={() => freezeKey.mutate(one)}>
            {t("freeze_key")}
          </Button>
        )}
        {one.freezable.length > 0 && (
          <Button size="compact-sm" color="red" onClick={() => freezeAll(one)}>
            {t("freeze_accounts", { count: one.freezable.length })}
          </Button>
        )}
        <Button size="compact-sm" variant="subtle" onClick={() => dismiss(one)}>
          {t("harmless")}
        </Button>
      </>
    ),
  };
}

/** Freezes the members behind a signal that are not frozen yet. */
function FreezeAll({ signal, onClose }: { signal: Signal | null; onClose: () => void }) {
  const { t } = useTranslation("members");
  const client = useQueryClient();
  const [reason, setReason] = useState("");
  const ids = signal?.freezable ?? [];
  const freeze = async () => {
    const told = reason.trim() || t(`signals.${signal!.signal}`, { count: signal!.size });
    const done = await take(api.POST("/api/v1/admin/abuse/freeze", { body: { account_ids: ids, reason: told } }));
    sayDone(t("frozen_notice", { count: done.account_ids.length }));
    await client.invalidateQueries({ queryKey: ["abuse"] });
  };
  return (
    <Confirm
      title={t("freeze_all_question", { count: ids.length })}
      action={t("freeze_accounts", { count: ids.length })}
      isOpen={signal !== null}
      onClose={onClose}
      onConfirm={freeze}
    >
      <p>{t("freeze_text")}</p>
      <TextInput
        label={t("reason")}
        description={t("reason_hint")}
        maxLength={200}
        value={reason}
        onChange={(event) => setReason(event.currentTarget.value)}
      />
    </Confirm>
  );
}

/** Puts a signal out of sight for a while. */
function Dismiss({ signal, onClose }: { signal: Signal | null; onClose: () => void }) {
  const { t } = useTranslation("members");
  const client = useQueryClient();
  const dismiss = async () => {
    const { signal: kind, subject } = signal!;
    await take(api.POST("/api/v1/admin/abuse/dismiss", { body: { signal: kind, subject } }));
    await client.invalidateQueries({ queryKey: ["abuse"] });
  };
  return (
    <Confirm title={t("harmless_question")} action={t("harmless")} isOpen={signal !== null} onClose={onClose} onConfirm={dismiss}>
      {t("harmless_text")}
    </Confirm>
  );
}
