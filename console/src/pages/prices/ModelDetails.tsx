import { Drawer } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { wholeList } from "@/api/lists";
import { CopyLine } from "@/ui/Code";
import { Count } from "@/ui/Count";
import { DataTable, type Column } from "@/ui/DataTable";
import { PriceCell } from "./PriceCell";
import styles from "./Prices.module.css";
import { orderedLines, type Line, type PricedModel } from "./model";

/** All that is known of a model, and every price line of it. */
export function ModelDetails({ model, onClose }: { model: PricedModel | null; onClose: () => void }) {
  return (
    <Drawer
      opened={model !== null}
      onClose={onClose}
      position="right"
      size="34rem"
      title={model?.name}
    >
      {model && <Details model={model} />}
    </Drawer>
  );
}

function Details({ model }: { model: PricedModel }) {
  const { t, i18n } = useTranslation("prices");
  const list = new Intl.ListFormat(i18n.language, { type: "conjunction" });
  const columns: Column<Line>[] = [
    { key: "component", title: t("priced"), isLead: true, render: (line) => t(`component.${line.component.split(":")[0]}`, line.component) },
    { key: "applies", title: t("applies"), render: (line) => <Applies line={line} /> },
    { key: "per", title: t("per"), render: (line) => t(line.per === "each" ? "each" : "million") },
    { key: "price", title: t("price"), align: "right", render: (line) => <PriceCell line={line} /> },
  ];
  return (
    <>
      <dl className={styles.facts}>
        <dt>{t("write")}</dt>
        <dd>
          <CopyLine value={model.name} label={t("model")} />
        </dd>
        {model.aliases.length > 0 && (
          <>
            <dt>{t("aliases")}</dt>
            <dd>{list.format(model.aliases)}</dd>
          </>
        )}
        <dt>{t("owner")}</dt>
        <dd>{model.owned_by}</dd>
        <dt>{t("kind")}</dt>
        <dd>{t(`kinds.${model.kind}`, model.kind)}</dd>
        <dt>{t("family")}</dt>
        <dd>{model.family}</dd>
        <dt>{t("apis")}</dt>
        <dd>{list.format(model.dialects.map((dialect) => t(`dialect.${dialect}`)))}</dd>
        {model.max_input_tokens !== null && (
          <>
            <dt>{t("context")}</dt>
            <dd>
              <Count value={model.max_input_tokens} />
            </dd>
          </>
        )}
        {model.max_output_tokens !== null && (
          <>
            <dt>{t("longest")}</dt>
            <dd>
              <Count value={model.max_output_tokens} />
            </dd>
          </>
        )}
      </dl>
      <DataTable
        label={t("all_lines")}
        list={wholeList(orderedLines(model))}
        columns={columns}
        rowKey={(line) => `${line.component} ${line.service_tier} ${line.prompt_tokens_over}`}
        empty={t("none")}
      />
    </>
  );
}

function Applies({ line }: { line: Line }) {
  const { t, i18n } = useTranslation("prices");
  const over = new Intl.NumberFormat(i18n.language).format(line.prompt_tokens_over);
  const words = [
    line.service_tier !== "default" && t("tier", { tier: line.service_tier }),
    line.prompt_tokens_over > 0 && t("over", { tokens: over }),
  ].filter((word) => word !== false);
  return words.length ? words.join(" · ") : t("always");
}
