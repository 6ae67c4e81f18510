import { Anchor } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { api, take } from "@/api/client";
import { useList } from "@/api/lists";
import { Count } from "@/ui/Count";
import { DataTable, type Column } from "@/ui/DataTable";
import type { Fields, ModelDefinition } from "./data";
import styles from "./Models.module.css";

/** What the configuration says of models: one line for a model, or for a pattern of many. */
export function Definitions({ mayWrite }: { mayWrite: boolean }) {
  const { t } = useTranslation("models");
  const list = useList<ModelDefinition>(["model-definitions"], (after) =>
    take(api.GET("/api/v1/model-definitions", { params: { query: { after, limit: 100 } } })),
  );
  const priceOf = (fields: Fields) => {
    if (fields.list) return t("list_price", { list: fields.list });
    return fields.price ? t("own_price") : t("not_for_sale");
  };
  const columns: Column<ModelDefinition>[] = [
    {
      key: "name",
      title: t("column.definition"),
      isLead: true,
      render: (one) =>
        mayWrite ? (
          <Anchor component={Link} to={`/admin/models/edit?name=${encodeURIComponent(one.name)}`} className={styles.name}>
            {one.name}
          </Anchor>
        ) : (
          one.name
        ),
    },
    { key: "models", title: t("column.models"), align: "right", render: (one) => <Count value={one.model_count} /> },
    { key: "family", title: t("column.family"), render: (one) => (one.definition as Fields).family ?? "other" },
    { key: "price", title: t("column.price"), render: (one) => priceOf(one.definition) },
    { key: "aliases", title: t("column.aliases"), render: (one) => ((one.definition as Fields).aliases ?? []).join(", ") },
  ];
  return <DataTable label={t("tab.definitions")} list={list} columns={columns} rowKey={(one) => one.name} empty={t("none")} />;
}
