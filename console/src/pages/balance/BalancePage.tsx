import { Button, PasswordInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import type { components } from "@/api/schema";
import { Count, formatDuration } from "@/ui/Count";
import { DataTable, type Column } from "@/ui/DataTable";
import { ErrorNote } from "@/ui/ErrorNote";
import { Money, useMoney } from "@/ui/Money";
import { Page, Section } from "@/ui/Page";
import { Stat, Stats } from "@/ui/Stat";
import { StatusBadge } from "@/ui/StatusBadge";
import { Time } from "@/ui/Time";
import { LimitMeters } from "../dashboard/Limits";
import styles from "./Balance.module.css";

type Answer = components["schemas"]["BalanceAnswer"];
type Call = components["schemas"]["RecordAnswer"];

/** The key stays in the page's memory: it is sent in a request's body, and written nowhere. */
function look(key: string, before = ""): Promise<Answer> {
  return take(api.POST("/api/v1/balance", { body: { key, before } }));
}

/** What is left for a key, for whoever has it. */
export default function BalancePage() {
  const { t } = useTranslation("balance");
  const [key, setKey] = useState("");
  const [asked, setAsked] = useState(""); // the key whose page is shown
  const [older, setOlder] = useState<Answer[]>([]);
  const first = useMutation({ mutationFn: (of: string) => look(of) });
  const more = useMutation({ mutationFn: ({ of, before }: { of: string; before: string }) => look(of, before) });
  const send = (event: FormEvent) => {
    event.preventDefault();
    setAsked(key.trim());
    setOlder([]);
    first.mutate(key.trim());
  };
  const pages = first.data ? [first.data, ...older] : [];
  const next = pages.at(-1)?.next ?? "";
  const loadMore = () =>
    more.mutate({ of: asked, before: next }, { onSuccess: (page) => setOlder((before) => [...before, page]) });
  return (
    <Page title={t("title")} lead={t("lead")}>
      <form className={styles.form} onSubmit={send}>
        <PasswordInput
          label={t("key")}
          placeholder="sk-…"
          value={key}
          onChange={(event) => setKey(event.currentTarget.value)}
          autoComplete="off"
          spellCheck={false}
          maxLength={200}
          required
        />
        <Button type="submit" loading={first.isPending}>
          {t("look")}
        </Button>
      </form>
      {first.error && <ErrorNote error={first.error} />}
      {first.data && (
        <Shown
          answer={first.data}
          calls={pages.flatMap((page) => page.records)}
          isLoadingMore={more.isPending}
          error={more.error}
          loadMore={next ? loadMore : undefined}
        />
      )}
    </Page>
  );
}

interface ShownProps {
  answer: Answer;
  calls: Call[];
  isLoadingMore: boolean;
  error: Error | null;
  loadMore?: () => void;
}

function Shown({ answer, calls, isLoadingMore, error, loadMore }: ShownProps) {
  const { t, i18n } = useTranslation("balance");
  const money = useMoney();
  const isUsable = answer.status === "active" && answer.account_status === "active";
  const columns: Column<Call>[] = [
    { key: "at", title: t("at"), render: (one) => <Time ms={one.started_ms} look="seconds" /> },
    { key: "model", title: t("model"), isLead: true, render: (one) => one.model },
    { key: "status", title: t("status"), render: (one) => <Ending of={one} /> },
    { key: "in", title: t("tokens_in"), align: "right", render: (one) => <Count value={one.prompt_tokens} /> },
    { key: "out", title: t("tokens_out"), align: "right", render: (one) => <Count value={one.completion_tokens} /> },
    { key: "took", title: t("took"), align: "right", render: (one) => formatDuration(one.duration_ms, i18n.language) },
    { key: "charge", title: t("charge"), align: "right", render: (one) => <Money value={one.charge} /> },
  ];
  const budget = answer.budget === null ? t("no_budget") : t(`budget.${answer.budget_period}`, { budget: money(answer.budget) });
  return (
    <>
      <Stats>
        <Stat label={t("balance")} value={<Money value={answer.balance} isBalance />} note={t("plan", { plan: answer.plan })} />
        <Stat label={t("spent")} value={<Money value={answer.spent} />} note={budget} />
        <Stat
          label={answer.name || t("key")}
          value={<code className={styles.hint}>{answer.hint}</code>}
          note={
            <StatusBadge tone={isUsable ? "good" : "bad"}>
              {t(answer.account_status === "frozen" ? "state.account" : `state.${answer.status}`)}
            </StatusBadge>
          }
        />
        <Stat label={t("expires")} value={answer.expires_ms === null ? t("never") : <Time ms={answer.expires_ms} look="date" />} />
      </Stats>
      {answer.limits.length > 0 && (
        <Section title={t("limits")}>
          <LimitMeters items={answer.limits} />
        </Section>
      )}
      <Section title={t("records")} lead={t("records_lead")}>
        <DataTable
          label={t("records")}
          list={{
            items: calls,
            isLoading: false,
            error,
            hasMore: loadMore !== undefined,
            isLoadingMore,
            loadMore: () => loadMore?.(),
            refetch: () => loadMore?.(),
          }}
          columns={columns}
          rowKey={(one) => one.request_id}
          empty={t("none")}
        />
      </Section>
    </>
  );
}

function Ending({ of }: { of: Call }) {
  const { t } = useTranslation("balance");
  const isWell = of.ending === "completed" && of.http_status < 400;
  const word = of.ending === "completed" ? String(of.http_status) : t(`ending.${of.ending}`);
  return <StatusBadge tone={isWell ? "good" : of.ending === "cancelled" ? "quiet" : "bad"}>{word}</StatusBadge>;
}
