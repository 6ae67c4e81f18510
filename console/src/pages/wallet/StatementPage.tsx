import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link, useParams } from "react-router";
import { api, take } from "@/api/client";
import { wholeList } from "@/api/lists";
import type { components } from "@/api/schema";
import { useMember } from "@/api/session";
import { useSite } from "@/api/site";
import { Count } from "@/ui/Count";
import { DataTable, type Column } from "@/ui/DataTable";
import { LoadedPage } from "@/ui/Loaded";
import { Money } from "@/ui/Money";
import { Page, Section } from "@/ui/Page";
import { formatTime } from "@/ui/Time";
import { saveCsv } from "./csv";
import { monthName } from "./months";
import { useSourceText } from "./sources";
import styles from "./Statement.module.css";
import { useTransferColumns } from "./Transfers";

type Statement = components["schemas"]["StatementAnswer"];
type Charges = components["schemas"]["ModelCharges"];

/** A month on paper: what there was, what came and went, what each model cost, and what was left. */
export default function StatementPage() {
  const { t } = useTranslation("wallet");
  const { month = "" } = useParams();
  const query = useQuery({
    queryKey: ["statement", month],
    queryFn: () => take(api.GET("/api/v1/wallet/statements/{month}", { params: { path: { month } } })),
  });
  return (
    <LoadedPage title={t("tab.statements")} query={query}>
      {(statement) => <Paper statement={statement} />}
    </LoadedPage>
  );
}

function Paper({ statement }: { statement: Statement }) {
  const { t, i18n } = useTranslation("wallet");
  const member = useMember();
  const site = useSite();
  const save = useSave(statement);
  const day = (ms: number) => new Intl.DateTimeFormat(i18n.language, { dateStyle: "long", timeZone: statement.zone }).format(ms);
  return (
    <div className={styles.paper}>
      <Page
        title={t("statement_of", { month: monthName(statement.month, i18n.language) })}
        lead={[site?.name, member.email].filter(Boolean).join(" · ")}
        actions={
          <div className={styles.actions}>
            <Button variant="subtle" component={Link} to="/wallet?tab=statements">
              {t("back")}
            </Button>
            <Button variant="default" onClick={save}>
              {t("csv")}
            </Button>
            <Button variant="default" onClick={() => window.print()}>
              {t("print")}
            </Button>
          </div>
        }
      >
        <div>
          <p className={styles.period}>
            {t("period", { since: day(statement.since_ms), until: day(statement.until_ms - 1), zone: statement.zone })}
            {!statement.is_final && ` · ${t("not_final", { time: formatTime(Date.now(), i18n.language) })}`}
          </p>
          <Sum statement={statement} />
        </div>
        <Section title={t("by_model")}>
          <DataTable
            label={t("by_model")}
            list={wholeList(statement.models)}
            columns={useModelColumns()}
            rowKey={(one) => one.model}
            empty={t("no_calls")}
          />
        </Section>
        <Section title={t("tab.transfers")}>
          <DataTable
            label={t("tab.transfers")}
            list={wholeList(statement.transfers)}
            columns={useTransferColumns(true)}
            rowKey={(one) => one.id}
            empty={t("no_transfers")}
          />
        </Section>
      </Page>
    </div>
  );
}

function Sum({ statement }: { statement: Statement }) {
  const { t } = useTranslation("wallet");
  const lines: [string, string, boolean][] = [
    [t("opening"), statement.opening, false],
    [t("credited"), statement.credited, true],
    [t("debited"), negative(statement.debited), true],
    [t("charged"), negative(statement.charged), true],
    [t("closing"), statement.closing, false],
  ];
  return (
    <table className={styles.sum}>
      <tbody>
        {lines.map(([label, value, isSigned]) => (
          <tr key={label}>
            <th scope="row">{label}</th>
            <td>
              <Money value={value} decimals="all" isSigned={isSigned} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function useModelColumns(): Column<Charges>[] {
  const { t } = useTranslation("wallet");
  return [
    { key: "model", title: t("model"), isLead: true, render: (one) => one.model },
    { key: "requests", title: t("requests"), align: "right", render: (one) => <Count value={one.requests} /> },
    { key: "prompt", title: t("prompt_tokens"), align: "right", render: (one) => <Count value={one.prompt_tokens} /> },
    { key: "completion", title: t("completion_tokens"), align: "right", render: (one) => <Count value={one.completion_tokens} /> },
    { key: "charge", title: t("charge"), align: "right", render: (one) => <Money value={one.charge} decimals="all" /> },
  ];
}

/** Saves the statement as CSV: its sums, models and transfers, every digit of each. */
function useSave(statement: Statement): () => void {
  const { t } = useTranslation("wallet");
  const sourceText = useSourceText();
  return () =>
    saveCsv(`statement-${statement.month}.csv`, [
      [t("opening"), statement.opening],
      [t("credited"), statement.credited],
      [t("debited"), negative(statement.debited)],
      [t("charged"), negative(statement.charged)],
      [t("closing"), statement.closing],
      [],
      [t("model"), t("requests"), t("prompt_tokens"), t("completion_tokens"), t("charge")],
      ...statement.models.map((one) => [
        one.model,
        String(one.requests),
        String(one.prompt_tokens),
        String(one.completion_tokens),
        one.charge,
      ]),
      [],
      [t("common:time"), t("what"), t("reason"), t("amount")],
      ...statement.transfers.map((one) => [
        new Date(one.created_ms).toISOString(),
        sourceText(one),
        one.source === "operator" ? one.reason : "",
        one.amount,
      ]),
    ]);
}

function negative(amount: string): string {
  return /^[0.]*$/.test(amount) ? amount : `-${amount}`;
}
