import { useTranslation } from "react-i18next";
import { wholeList } from "@/api/lists";
import { formatStep, placesOf } from "@/pages/usage/SumsAndChart";
import { Chart } from "@/ui/Chart";
import { DataTable, type Column } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { Loaded } from "@/ui/Loaded";
import { Money, useMoney } from "@/ui/Money";
import { decimalOf, nanosOf } from "@/ui/money";
import { Page, Section } from "@/ui/Page";
import { ProofPanel } from "./ProofPanel";
import { Waterfall } from "./Waterfall";
import { useBooks, type Books } from "./data";
import styles from "./Overview.module.css";

type Month = Books["months"][number];

/** Cash in against balances against revenue, and the proof that all of them agree. */
export default function ReconciliationPage() {
  const { t } = useTranslation("overview");
  const books = useBooks();
  return (
    <Page title={t("books")} lead={t("books_lead")}>
      <Loaded query={books}>{(known) => <Shown books={known} />}</Loaded>
    </Page>
  );
}

function Shown({ books }: { books: Books }) {
  const { t, i18n } = useTranslation("overview");
  const money = useMoney();
  const months = books.months;
  const agrees = nanosOf(books.difference) === 0n;
  const highest = Math.max(0, ...months.flatMap((month) => [Number(month.charges), Number(month.closing)]));
  return (
    <>
      <Section title={t("equation")} lead={t("equation_lead")}>
        <Waterfall books={books} />
        <p className={styles.verdict} data-tone={agrees ? "good" : "bad"} role="status">
          {agrees ? (
            <>
              {t("agrees")} <Money value={books.balances} decimals="all" />
            </>
          ) : (
            <>
              {t("differs")} <Money value={books.difference} decimals="all" isSigned />
            </>
          )}
        </p>
      </Section>
      <Section title={t("proof")} lead={t("proof_lead")}>
        <ProofPanel />
      </Section>
      <Section title={t("months")}>
        {months.length > 1 && (
          <div className={styles.pair}>
            <div>
              <h3>{t("revenue_by_month")}</h3>
              <Chart
                label={t("revenue_by_month")}
                times={months.map((month) => month.start_ms)}
                height={170}
                series={[
                  { label: t("cost"), values: months.map((month) => Math.min(Number(month.cost), Number(month.charges))), colour: "--series-6" },
                  { label: t("margin"), values: months.map((month) => Math.max(0, Number(month.charges) - Number(month.cost))), colour: "--series-1" },
                ]}
                format={(value) => money(value.toFixed(9), placesOf(highest))}
                formatTime={(ms) => formatStep(ms, "month", i18n.language)}
              />
            </div>
            <div>
              <h3>{t("owed_by_month")}</h3>
              <Chart
                label={t("owed_by_month")}
                times={months.map((month) => month.start_ms)}
                height={170}
                series={[{ label: t("closing"), values: months.map((month) => Number(month.closing)), colour: "--series-4" }]}
                format={(value) => money(value.toFixed(9), placesOf(highest))}
                formatTime={(ms) => formatStep(ms, "month", i18n.language)}
              />
            </div>
          </div>
        )}
        <DataTable
          label={t("months")}
          list={wholeList([...months].reverse())}
          columns={columnsOf(t, i18n.language)}
          rowKey={(month) => String(month.start_ms)}
          empty={<EmptyState title={t("no_months")} />}
        />
      </Section>
    </>
  );
}

function columnsOf(t: ReturnType<typeof useTranslation<"overview">>["t"], locale: string): Column<Month>[] {
  const amount = (key: string, title: string, value: (month: Month) => string): Column<Month> => ({
    key,
    title,
    align: "right",
    render: (month) => (nanosOf(value(month)) === 0n ? <span className={styles.soft}>–</span> : <Money value={value(month)} />),
  });
  return [
    { key: "month", title: t("month"), isLead: true, render: (month) => formatStep(month.start_ms, "month", locale) },
    amount("topups", t("flow.topups"), (month) => month.topups),
    amount("promotions", t("flow.promotions"), (month) => month.promotions),
    amount("corrections", t("flow.corrections"), (month) => month.corrections),
    amount("refunds", t("flow.refunds"), (month) => month.refunds),
    amount("charges", t("revenue"), (month) => month.charges),
    amount("cost", t("cost"), (month) => month.cost),
    amount("margin", t("margin"), (month) => decimalOf(nanosOf(month.charges) - nanosOf(month.cost))),
    amount("closing", t("closing"), (month) => month.closing),
  ];
}
