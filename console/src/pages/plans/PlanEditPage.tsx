import { Button, MultiSelect, NumberInput, SegmentedControl, Switch, TagsInput, TextInput } from "@mantine/core";
import { useForm, type UseFormReturnType } from "@mantine/form";
import { IconPlus } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useSearchParams } from "react-router";
import { api, take } from "@/api/client";
import { MissingPage } from "@/app/FailedPage";
import catalogue from "@/pages/catalogue/Catalogue.module.css";
import { DefinitionForm } from "@/pages/catalogue/DefinitionForm";
import { Pairs } from "@/pages/catalogue/Pairs";
import { numberOf, pairsOf, recordOf, said, type Pair } from "@/pages/catalogue/types";
import { useFamilies } from "@/pages/models/data";
import { ErrorNote } from "@/ui/ErrorNote";
import { LoadedPage } from "@/ui/Loaded";
import { Page, Section } from "@/ui/Page";
import { many, usePlans, type Fields, type LimitFields, type Plan } from "./data";
import styles from "./Plans.module.css";

const SUBJECTS = ["key", "address", "account", "plan"] as const;
const COUNTS = ["requests", "tokens", "concurrency"] as const;

interface Limit {
  family: string[];
  per: string[];
  window: string;
  requests: number | string;
  tokens: number | string;
  concurrency: number | string;
  spend: string;
}
type Values = {
  name: string;
  kind: string;
  models: string[];
  endpoints: string[];
  streaming: boolean;
  input_tokens_max: number | string;
  request_tokens_max: number | string;
  multiplier: string;
  multipliers: Pair[];
  limits: Limit[];
};
type Form = UseFormReturnType<Values>;

const newLimit = (): Limit => ({ family: [], per: ["key", "address"], window: "1 day", requests: "", tokens: "", concurrency: "", spend: "" });

export default function PlanEditPage() {
  const { t } = useTranslation("plans");
  const [params] = useSearchParams();
  const name = params.get("name") ?? "";
  const query = usePlans();
  if (!name) return <Editor known={null} />;
  return (
    <LoadedPage title={t("form.edit_title", { name })} query={query}>
      {({ items }) => {
        const known = items.find((one) => one.name === name);
        return known ? <Editor key={name} known={known} /> : <MissingPage />;
      }}
    </LoadedPage>
  );
}

function valuesOf(known: Plan | null): Values {
  const fields: Fields = known?.definition ?? {};
  return {
    name: known?.name ?? "",
    kind: fields.kind ?? "paid",
    models: fields.models ?? ["*"],
    endpoints: (fields.endpoints ?? []).filter((one) => one !== "*"),
    streaming: fields.streaming ?? true,
    input_tokens_max: fields.input_tokens_max ?? "",
    request_tokens_max: fields.request_tokens_max ?? "",
    multiplier: String(fields.multiplier ?? "1"),
    multipliers: pairsOf(fields.multipliers),
    limits: (fields.limits ?? []).map((limit: LimitFields) => ({
      family: many(limit.family),
      per: limit.per ? many(limit.per) : ["key", "address"],
      window: limit.window ?? "1 hour",
      requests: limit.requests ?? "",
      tokens: limit.tokens ?? "",
      concurrency: limit.concurrency ?? "",
      spend: limit.spend == null ? "" : String(limit.spend),
    })),
  };
}

const oneOrMany = (values: string[]) => (values.length === 1 ? values[0] : values);

function definitionOf(values: Values): Fields {
  const isAll = values.models.length === 1 && values.models[0] === "*";
  return {
    ...said({
      models: isAll ? undefined : values.models,
      endpoints: values.endpoints,
      streaming: values.streaming ? undefined : false,
      input_tokens_max: numberOf(values.input_tokens_max),
      request_tokens_max: numberOf(values.request_tokens_max),
      multiplier: values.multiplier === "1" ? "" : values.multiplier,
      multipliers: recordOf(values.multipliers),
      limits: values.limits.map(limitOf),
    }),
    kind: values.kind,
  } as Fields;
}

function limitOf(limit: Limit): LimitFields {
  const isUsual = limit.per.length === 2 && limit.per.includes("key") && limit.per.includes("address");
  return said({
    family: limit.family.length ? oneOrMany(limit.family) : "",
    per: isUsual ? undefined : oneOrMany(limit.per),
    window: limit.window === "1 hour" ? "" : limit.window,
    spend: limit.spend,
    ...Object.fromEntries(COUNTS.map((field) => [field, numberOf(limit[field])])),
  }) as LimitFields;
}

function Editor({ known }: { known: Plan | null }) {
  const { t } = useTranslation("plans");
  const [loaded] = useState(known);
  const form = useForm<Values>({
    initialValues: valuesOf(loaded),
    validate: { name: (value) => (value.trim() && !value.includes("/") ? null : t("form.name_rule")) },
  });
  const save = (values: Values, dry_run: boolean) =>
    take(
      api.PUT("/api/v1/plans/{name}", {
        params: { path: { name: values.name.trim() }, query: { dry_run } },
        body: { version: loaded?.version ?? "", definition: definitionOf(values) as Plan["definition"] },
      }),
    );
  const remove = ({ name, version }: Plan, dry_run: boolean) =>
    take(api.DELETE("/api/v1/plans/{name}", { params: { path: { name }, query: { version, dry_run } } }));
  return (
    <Page title={loaded ? t("form.edit_title", { name: loaded.name }) : t("form.add_title")} lead={t("form.lead")}>
      <DefinitionForm
        form={form}
        save={save}
        remove={loaded ? (isDryRun) => remove(loaded, isDryRun) : undefined}
        back="/admin/plans"
      >
        <Basics form={form} isNew={!loaded} />
        {form.values.kind === "paid" && <Multipliers form={form} />}
        <Limits form={form} />
      </DefinitionForm>
    </Page>
  );
}

function Basics({ form, isNew }: { form: Form; isNew: boolean }) {
  const { t } = useTranslation("plans");
  const endpoints = useQuery({
    queryKey: ["plan-endpoints"],
    queryFn: () => take(api.GET("/api/v1/plan-endpoints")),
    staleTime: Infinity,
  });
  const tokens = { min: 0, allowDecimal: false, thousandSeparator: " ", placeholder: t("form.no_bound") };
  return (
    <Section title={t("form.basics")}>
      {isNew && <TextInput label={t("form.name")} required data-autofocus maw={320} {...form.getInputProps("name")} />}
      <div>
        <SegmentedControl
          aria-label={t("form.kind")}
          {...form.getInputProps("kind")}
          data={(["free", "paid"] as const).map((one) => ({ value: one, label: t(`kind.${one}`) }))}
        />
      </div>
      <TagsInput label={t("models")} description={t("form.models_hint")} splitChars={[",", " "]} {...form.getInputProps("models")} />
      <MultiSelect
        label={t("endpoints")}
        description={t("form.endpoints_hint")}
        placeholder={form.values.endpoints.length ? undefined : t("all")}
        data={endpoints.data?.items ?? form.values.endpoints}
        searchable
        clearable
        clearButtonProps={{ "aria-label": t("all") }}
        {...form.getInputProps("endpoints")}
      />
      {endpoints.error && <ErrorNote error={endpoints.error} onRetry={() => void endpoints.refetch()} />}
      <div className={catalogue.grid}>
        <NumberInput label={t("form.prompt_max")} {...tokens} {...form.getInputProps("input_tokens_max")} />
        <NumberInput label={t("form.request_max")} description={t("form.request_max_hint")} {...tokens} {...form.getInputProps("request_tokens_max")} />
        <Switch label={t("form.streaming")} {...form.getInputProps("streaming", { type: "checkbox" })} />
      </div>
    </Section>
  );
}

function Multipliers({ form }: { form: Form }) {
  const { t } = useTranslation("plans");
  return (
    <Section title={t("multiplier")} lead={t("form.multiplier_lead")}>
      <TextInput label={t("form.multiplier")} inputMode="decimal" maw={200} {...form.getInputProps("multiplier")} />
      <Pairs
        label={t("form.multipliers")}
        hint={t("form.multipliers_hint")}
        keyLabel={t("form.pattern")}
        valueLabel={t("form.multiplier")}
        pairs={form.values.multipliers}
        onChange={(pairs) => form.setFieldValue("multipliers", pairs)}
        error={form.errors.multipliers}
      />
    </Section>
  );
}

function Limits({ form }: { form: Form }) {
  const { t } = useTranslation("plans");
  return (
    <Section title={t("limits")} lead={t("form.limits_lead")}>
      {form.errors.limits && <ErrorNote error={new Error(String(form.errors.limits))} />}
      {form.values.limits.map((_, index) => (
        <OneLimit key={index} form={form} index={index} />
      ))}
      <div>
        <Button
          variant="default"
          size="compact-md"
          leftSection={<IconPlus size={15} stroke={1.7} />}
          onClick={() => form.insertListItem("limits", newLimit())}
        >
          {t("form.limit_add")}
        </Button>
      </div>
    </Section>
  );
}

function OneLimit({ form, index }: { form: Form; index: number }) {
  const { t } = useTranslation("plans");
  const families = useFamilies();
  const at = (field: string) => form.getInputProps(`limits.${index}.${field}`);
  const known = families.data?.items.map((one) => one.name) ?? [];
  return (
    <div className={styles.limit}>
      <div className={catalogue.grid}>
        <MultiSelect
          label={t("limit.family")}
          placeholder={form.values.limits[index]!.family.length ? undefined : t("limit.all_models")}
          data={[...new Set([...known, ...form.values.limits[index]!.family])]}
          {...at("family")}
        />
        <TextInput label={t("limit.window")} description={t("form.window_hint")} {...at("window")} />
        <MultiSelect label={t("limit.per")} data={SUBJECTS.map((one) => ({ value: one, label: t(`subject.${one}`) }))} {...at("per")} />
      </div>
      {families.error && <ErrorNote error={families.error} onRetry={() => void families.refetch()} />}
      <div className={catalogue.narrow} style={{ marginTop: "0.75rem" }}>
        {COUNTS.map((field) => (
          <NumberInput
            key={field}
            label={t(`limit.${field}`)}
            placeholder={t("form.no_bound")}
            min={0}
            allowDecimal={false}
            thousandSeparator=" "
            {...at(field)}
          />
        ))}
        <TextInput label={t("limit.spend")} placeholder={t("form.no_bound")} inputMode="decimal" {...at("spend")} />
      </div>
      <Button variant="subtle" color="gray" size="compact-sm" mt="xs" onClick={() => form.removeListItem("limits", index)}>
        {t("form.limit_remove")}
      </Button>
    </div>
  );
}
