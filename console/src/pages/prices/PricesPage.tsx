import { Group, Select, UnstyledButton } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { useSearchParams } from "react-router";
import { api, take } from "@/api/client";
import { wholeList } from "@/api/lists";
import { Choice } from "@/ui/Choice";
import { DataTable, type Column } from "@/ui/DataTable";
import { Page, Section } from "@/ui/Page";
import { SearchInput } from "@/ui/SearchInput";
import { PlanLimits } from "./PlanLimits";
import { ModelDetails } from "./ModelDetails";
import { PriceCell } from "./PriceCell";
import styles from "./Prices.module.css";
import { formatContext, linesOf, matches, type Plan, type PricedModel } from "./model";

const PLANS_SIDE_BY_SIDE = 4; // more are chosen from a list
const TYPING_MS = 120;

export default function PricesPage() {
  const { t } = useTranslation("prices");
  const [params, setParams] = useSearchParams();
  const [search, setSearch] = useState("");
  const [settled] = useDebouncedValue(search, TYPING_MS);
  const [owner, setOwner] = useState<string | null>(null);
  const [opened, setOpened] = useState<PricedModel | null>(null);
  const plan = params.get("plan") ?? "";
  const query = useQuery({
    queryKey: ["prices", plan],
    queryFn: () => take(api.GET("/api/v1/prices", { params: { query: { plan } } })),
    placeholderData: keepPreviousData,
  });
  const prices = query.data;
  const shown = useMemo(
    () => prices?.models.filter((model) => matches(model, settled) && (!owner || model.owned_by === owner)),
    [prices, settled, owner],
  );
  const owners = [...new Set(prices?.models.map((model) => model.owned_by))].sort();
  const chosen = prices?.plans.find((one) => one.name === prices.plan);

  return (
    <Page title={t("title")} lead={t("lead")}>
      <div className={styles.controls}>
        <SearchInput aria-label={t("search")} placeholder={t("search")} value={search} onChange={setSearch} className={styles.search} />
        {owners.length > 1 && (
          <Select
            aria-label={t("owner")}
            placeholder={t("owner")}
            data={owners}
            value={owner}
            onChange={setOwner}
            clearable
            clearButtonProps={{ "aria-label": t("all_owners") }}
            w={170}
          />
        )}
        {prices && (
          <PlanChoice plans={prices.plans} value={prices.plan} onChange={(name) => setParams({ plan: name }, { replace: true })} />
        )}
      </div>
      <Section
        title={chosen && t("of_plan", { plan: chosen.name, count: chosen.models })}
        lead={chosen && t(chosen.kind === "free" ? "free_plan" : "per_million")}
      >
        <DataTable
          label={t("title")}
          list={wholeList(shown, query)}
          columns={useColumns(setOpened)}
          rowKey={(model) => model.name}
          empty={t(settled || owner ? "none_found" : "none")}
        />
      </Section>
      {chosen && <PlanLimits plan={chosen} />}
      <ModelDetails model={opened} onClose={() => setOpened(null)} />
    </Page>
  );
}

function PlanChoice({ plans, value, onChange }: { plans: Plan[]; value: string; onChange: (name: string) => void }) {
  const { t } = useTranslation("prices");
  if (plans.length < 2) return null;
  const names = plans.map((plan) => plan.name);
  return (
    <Group ml={{ sm: "auto" }}>
      {names.length <= PLANS_SIDE_BY_SIDE ? (
        <Choice label={t("plan")} value={value} onChange={onChange} of={names.map((name) => [name, name])} />
      ) : (
        <Select aria-label={t("plan")} data={names} value={value} onChange={(name) => name && onChange(name)} allowDeselect={false} />
      )}
    </Group>
  );
}

function useColumns(open: (model: PricedModel) => void): Column<PricedModel>[] {
  const { t } = useTranslation("prices");
  const priceColumn = (component: string): Column<PricedModel> => ({
    key: component,
    title: t(`component.${component}`),
    align: "right",
    render: (model) => <PriceCell line={linesOf(model).get(component)} />,
  });
  return [
    {
      key: "model",
      title: t("model"),
      isLead: true,
      render: (model) => (
        <UnstyledButton className={styles.model} onClick={() => open(model)}>
          {model.name}
        </UnstyledButton>
      ),
    },
    { key: "owner", title: t("owner"), render: (model) => model.owned_by },
    {
      key: "context",
      title: t("context"),
      align: "right",
      render: (model) => (model.max_input_tokens ? formatContext(model.max_input_tokens) : "–"),
    },
    priceColumn("input"),
    priceColumn("cached_input"),
    priceColumn("output"),
  ];
}
