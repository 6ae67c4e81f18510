import { NumberInput, Select, Stack, Textarea } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { components } from "@/api/schema";
import { PriceCell } from "../prices/PriceCell";
import { linesOf } from "../prices/model";
import type { Parameters } from "./conversations";
import styles from "./Playground.module.css";

const TEMPERATURE_MAX = 2;
const TOKENS_MAX = 1_000_000;

interface Props {
  models: components["schemas"]["PricedModel"][];
  values: Parameters;
  onChange: (fields: Partial<Parameters>) => void;
}

/** Model and parameters; what is left empty is the model's own. */
export function Settings({ models, values, onChange }: Props) {
  const { t } = useTranslation("playground");
  const model = models.find((one) => one.name === values.model);
  return (
    <Stack gap="md">
      <div>
        <Select
          label={t("model")}
          data={models.map((one) => one.name)}
          value={model ? values.model : null}
          onChange={(chosen) => chosen && onChange({ model: chosen })}
          allowDeselect={false}
          searchable
          nothingFoundMessage={t("no_model_found")}
          maxDropdownHeight={320}
        />
        {model && <Price model={model} />}
      </div>
      <Textarea
        label={t("system")}
        placeholder={t("system_hint")}
        value={values.system}
        onChange={(event) => onChange({ system: event.currentTarget.value })}
        autosize
        minRows={2}
        maxRows={10}
      />
      <NumberInput
        label={t("temperature")}
        placeholder={t("own_value")}
        value={values.temperature ?? ""}
        onChange={(value) => onChange({ temperature: value === "" ? null : Number(value) })}
        min={0}
        max={TEMPERATURE_MAX}
        step={0.1}
        decimalScale={2}
        hideControls
      />
      <NumberInput
        label={t("max_tokens")}
        placeholder={t("own_value")}
        value={values.maxTokens ?? ""}
        onChange={(value) => onChange({ maxTokens: value === "" ? null : Number(value) })}
        min={1}
        max={model?.max_output_tokens ?? TOKENS_MAX}
        allowDecimal={false}
        hideControls
      />
    </Stack>
  );
}

function Price({ model }: { model: components["schemas"]["PricedModel"] }) {
  const { t } = useTranslation("playground");
  const lines = linesOf(model);
  return (
    <p className={styles.price}>
      {t("price_in")} <PriceCell line={lines.get("input")} /> · {t("price_out")} <PriceCell line={lines.get("output")} />{" "}
      {t("per_million")}
    </p>
  );
}
