import { Select, UnstyledButton } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { useList } from "@/api/lists";
import { usePlans } from "@/pages/plans/data";
import { PriceCell } from "@/pages/prices/PriceCell";
import { DataTable, type Column } from "@/ui/DataTable";
import { nanosOf } from "@/ui/money";
import { SearchInput } from "@/ui/SearchInput";
import { lineOf, type KnownModel, type PriceLine } from "./data";
import styles from "./Models.module.css";
import { ModelDialog } from "./ModelDialog";

const TYPING_MS = 200;

/** Every model that the catalogue knows: what a plan's members pay, what the cheapest channel takes, who may use it. */
export function Models({ mayWrite }: { mayWrite: boolean }) {
  const { t } = useTranslation("models");
  const [search, setSearch] = useState("");
  const [settled] = useDebouncedValue(search, TYPING_MS);
  const [chosen, setChosen] = useState<string | null>(null);
  const [opened, setOpened] = useState<KnownModel | null>(null);
  const plans = usePlans().data?.items ?? [];
  const paid = plans.find((one) => one.is_topup) ?? plans.find((one) => one.definition.kind === "paid") ?? plans[0];
  const plan = chosen ?? paid?.name ?? "";
  const models = useList<KnownModel>(["models", settled], (after) =>
    take(api.GET("/api/v1/models", { params: { query: { search: settled, after, limit: 50 } } })),
  );
  return (
    <>
      <div className={styles.controls}>
        <SearchInput aria-label={t("search")} placeholder={t("search")} value={search} onChange={setSearch} className={styles.search} />
        {plans.length > 0 && (
          <Select
            aria-label={t("prices_of")}
            data={plans.map((one) => ({ value: one.name, label: t("prices_of_plan", { plan: one.name }) }))}
            value={plan}
            onChange={setChosen}
            allowDeselect={false}
            w={220}
          />
        )}
      </div>
      <DataTable
        label={t("tab.models")}
        list={models}
        columns={useColumns(plan, setOpened)}
        rowKey={(model) => model.name}
        onRow={setOpened}
        empty={t(settled ? "none_found" : "none")}
      />
      <ModelDialog model={opened} mayWrite={mayWrite} onClose={() => setOpened(null)} />
    </>
  );
}

function useColumns(plan: string, open: (model: KnownModel) => void): Column<KnownModel>[] {
  useTranslation("catalogue"); // its texts stand here too
  const { t } = useTranslation("models");
  const priceColumn = (component: "input" | "cached_input" | "output"): Column<KnownModel> => ({
    key: component,
    title: t(`catalogue:component.${component}`),
    align: "right",
    render: (model) => <PriceCell line={lineOf(pricesOf(model, plan), component)} />,
  });
  return [
    {
      key: "model",
      title: t("column.model"),
      isLead: true,
      render: (model) => (
        <>
          <UnstyledButton
            className={styles.name}
            onClick={(event) => {
              event.stopPropagation();
              open(model);
            }}
          >
            {model.name}
          </UnstyledButton>
          {model.defined_by !== model.name && <span className={styles.sub}>{t("by_pattern", { pattern: model.defined_by })}</span>}
        </>
      ),
    },
    { key: "family", title: t("column.family"), render: (model) => model.family },
    priceColumn("input"),
    priceColumn("cached_input"),
    priceColumn("output"),
    { key: "margin", title: t("column.margin"), align: "right", render: (model) => <Margin model={model} plan={plan} /> },
    {
      key: "plans",
      title: t("column.plans"),
      render: (model) =>
        model.plans.length ? (
          <span className={styles.plans}>
            {model.plans.map((one) => (
              <span key={one.plan}>{one.plan}</span>
            ))}
          </span>
        ) : (
          <span className={styles.soft}>{t("not_for_sale")}</span>
        ),
    },
    {
      key: "channels",
      title: t("column.channels"),
      render: (model) =>
        model.channels.length ? model.channels.map((one) => one.channel).join(", ") : <span className={styles.thin}>{t("no_channel")}</span>,
    },
  ];
}

function pricesOf(model: KnownModel, plan: string): PriceLine[] | undefined {
  return model.plans.find((one) => one.plan === plan)?.lines;
}

const PERCENT = 100n;
const THIN = 10; // percent: below this a price hardly covers what else a service costs

/** How much of the output's price stays with the operator at the first channel whose cost is known. */
function Margin({ model, plan }: { model: KnownModel; plan: string }) {
  const { i18n } = useTranslation("models");
  const component = lineOf(pricesOf(model, plan), "output") ? "output" : "input";
  const price = lineOf(pricesOf(model, plan), component);
  const cost = model.channels.map((one) => lineOf(one.lines, component)).find((line) => line !== undefined);
  if (!price || !cost || nanosOf(price.price) === 0n) return <span className={styles.soft}>–</span>;
  const paid = nanosOf(price.price);
  const percent = Number(((paid - nanosOf(cost.price)) * PERCENT) / paid);
  const shown = new Intl.NumberFormat(i18n.language, { style: "percent" }).format(percent / 100);
  return <span className={percent < THIN ? styles.thin : undefined}>{shown}</span>;
}
