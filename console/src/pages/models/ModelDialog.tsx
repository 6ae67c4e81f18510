import { Button, Group } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import catalogue from "@/pages/catalogue/Catalogue.module.css";
import { PriceName } from "@/pages/catalogue/ChangePreview";
import { PriceCell } from "@/pages/prices/PriceCell";
import { Count } from "@/ui/Count";
import { Dialog } from "@/ui/Dialog";
import type { KnownModel, PriceLine } from "./data";
import { History } from "./History";
import styles from "./Models.module.css";

/** One model with all prices by plan, what each channel takes, and what changed its price. */
export function ModelDialog({ model, mayWrite, onClose }: { model: KnownModel | null; mayWrite: boolean; onClose: () => void }) {
  return (
    <Dialog opened={model !== null} onClose={onClose} size="lg" title={model?.name}>
      {model && <Details model={model} mayWrite={mayWrite} />}
    </Dialog>
  );
}

function Details({ model, mayWrite }: { model: KnownModel; mayWrite: boolean }) {
  useTranslation("catalogue"); // its texts stand here too
  const { t } = useTranslation("models");
  const edit = `/admin/models/edit?name=${encodeURIComponent(model.defined_by)}`;
  const plans = model.plans.map((one) => ({ name: one.plan, lines: one.lines }));
  const channels = model.channels.map((one) => ({ name: one.channel, lines: one.lines }));
  return (
    <>
      <dl className={styles.facts}>
        <dt>{t("column.family")}</dt>
        <dd>{model.family}</dd>
        <dt>{t("column.kind")}</dt>
        <dd>{model.kind}</dd>
        <dt>{t("column.owner")}</dt>
        <dd>{model.owned_by}</dd>
        <dt>{t("column.defined_by")}</dt>
        <dd>{model.defined_by}</dd>
        {model.aliases.length > 0 && (
          <>
            <dt>{t("column.aliases")}</dt>
            <dd>{model.aliases.join(", ")}</dd>
          </>
        )}
        <dt>{t("column.longest")}</dt>
        <dd>
          {model.max_input_tokens === null ? "–" : <Count value={model.max_input_tokens} />} /{" "}
          {model.max_output_tokens === null ? "–" : <Count value={model.max_output_tokens} />}
        </dd>
      </dl>
      <h3>{t("members_pay")}</h3>
      <PriceTable label={t("members_pay")} columns={plans} empty={t("not_for_sale")} />
      <h3>{t("channels_take")}</h3>
      <PriceTable label={t("channels_take")} columns={channels} empty={t("no_channel")} />
      <h3>{t("tab.history")}</h3>
      <History model={model.name} />
      {mayWrite && (
        <Group justify="flex-end" mt="md">
          <Button component={Link} to={edit}>
            {model.defined_by === model.name ? t("edit") : t("edit_pattern", { pattern: model.defined_by })}
          </Button>
        </Group>
      )}
    </>
  );
}

interface TableProps {
  label: string;
  columns: { name: string; lines: PriceLine[] }[];
  empty: string;
}

function PriceTable({ label, columns, empty }: TableProps) {
  const { t } = useTranslation("models");
  if (columns.length === 0) return <p className={styles.soft}>{empty}</p>;
  const keyOf = (line: PriceLine) => [line.component, line.service_tier, line.prompt_tokens_over].join("|");
  const rows = new Map(columns.flatMap((one) => one.lines.map((line) => [keyOf(line), line] as const)));
  const rank = (line: PriceLine) => (line.service_tier === "default" ? 0 : 1);
  const ordered = [...rows.values()].sort((one, other) => rank(one) - rank(other) || one.prompt_tokens_over - other.prompt_tokens_over);
  return (
    <div style={{ overflowX: "auto" }} tabIndex={0} role="region" aria-label={label}>
      <table className={catalogue.prices}>
        <thead>
          <tr>
            <th scope="col">{t("catalogue:price_of")}</th>
            {columns.map((one) => (
              <th key={one.name} scope="col" data-align="right">
                {one.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {ordered.map((line) => (
            <tr key={keyOf(line)}>
              <td>
                <PriceName line={line} />
              </td>
              {columns.map((one) => (
                <td key={one.name} data-align="right">
                  <PriceCell line={one.lines.find((each) => keyOf(each) === keyOf(line))} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
