import { Anchor } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { api, take } from "@/api/client";
import type { components } from "@/api/schema";
import { wholeList } from "@/api/lists";
import { DataTable, type Column } from "@/ui/DataTable";
import { Section } from "@/ui/Page";
import { StatusBadge } from "@/ui/StatusBadge";
import { PriceCell } from "../prices/PriceCell";
import { formatContext, linesOf, type PricedModel } from "../prices/model";
import { TONES } from "../status/states";

type Prices = components["schemas"]["Prices"];

export const SHOWN = 8; // models: enough to see what it is about

/** Some of the chat models that are for sale, with price and state. */
export function AtAGlance({ prices }: { prices: Prices }) {
  const { t } = useTranslation("home");
  const status = useQuery({
    queryKey: ["status", "day"],
    queryFn: () => take(api.GET("/api/v1/status", { params: { query: { span: "day" } } })),
  });
  const states = new Map(status.data?.models.map((model) => [model.name, model.state]));
  const count = prices.plans.find((plan) => plan.name === prices.plan)?.models ?? 0;
  const columns: Column<PricedModel>[] = [
    { key: "model", title: t("model"), isLead: true, render: (model) => model.name },
    {
      key: "state",
      title: t("state"),
      render: (model) => {
        const state = states.get(model.name);
        return state ? <StatusBadge tone={TONES[state]}>{t(`states.${state}`)}</StatusBadge> : "";
      },
    },
    {
      key: "context",
      title: t("context"),
      align: "right",
      render: (model) => (model.max_input_tokens ? formatContext(model.max_input_tokens) : "–"),
    },
    { key: "input", title: t("input"), align: "right", render: (model) => <PriceCell line={linesOf(model).get("input")} /> },
    { key: "output", title: t("output"), align: "right", render: (model) => <PriceCell line={linesOf(model).get("output")} /> },
  ];
  return (
    <Section
      title={t("models", { count })}
      lead={t("per_million", { plan: prices.plan })}
      actions={
        <Anchor component={Link} to="/prices">
          {t("all_prices")}
        </Anchor>
      }
    >
      <DataTable
        label={t("models", { count })}
        list={wholeList(prices.models)}
        columns={columns}
        rowKey={(model) => model.name}
        empty=""
      />
    </Section>
  );
}
