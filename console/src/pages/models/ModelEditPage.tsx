import { Autocomplete, NumberInput, TagsInput, TextInput } from "@mantine/core";
import { useForm, type UseFormReturnType } from "@mantine/form";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useSearchParams } from "react-router";
import { api, take } from "@/api/client";
import catalogue from "@/pages/catalogue/Catalogue.module.css";
import { DefinitionForm } from "@/pages/catalogue/DefinitionForm";
import { PriceEditor } from "@/pages/catalogue/PriceEditor";
import { newTier, priceOf, tiersOf, type Tier } from "@/pages/catalogue/prices";
import { numberOf, said } from "@/pages/catalogue/types";
import { Choice } from "@/ui/Choice";
import { ErrorNote } from "@/ui/ErrorNote";
import { LoadedPage } from "@/ui/Loaded";
import { Page, Section } from "@/ui/Page";
import { useDefinition, useFamilies, type Fields, type ModelDefinition } from "./data";
import styles from "./Models.module.css";

type Pricing = "list" | "price" | "none";
type Values = {
  name: string;
  family: string;
  kind: string;
  pricing: Pricing;
  list: string;
  price: Tier[];
  max_input_tokens: number | string;
  max_output_tokens: number | string;
  image_tokens_max: number | string;
  aliases: string[];
  owned_by: string;
};
type Form = UseFormReturnType<Values>;

export default function ModelEditPage() {
  const { t } = useTranslation("models");
  const [params] = useSearchParams();
  const name = params.get("name") ?? "";
  const query = useDefinition(name);
  if (!name) return <Editor known={null} />;
  return (
    <LoadedPage title={t("form.edit_title", { name })} query={query}>
      {(known) => <Editor key={name} known={known} />}
    </LoadedPage>
  );
}

function valuesOf(known: ModelDefinition | null): Values {
  const fields: Fields = known?.definition ?? {};
  return {
    name: known?.name ?? "",
    family: fields.family ?? "",
    kind: fields.kind ?? "",
    pricing: fields.list ? "list" : fields.price ? "price" : known ? "none" : "list",
    list: fields.list ?? "",
    price: fields.price ? tiersOf(fields.price) : [newTier()],
    max_input_tokens: fields.max_input_tokens ?? "",
    max_output_tokens: fields.max_output_tokens ?? "",
    image_tokens_max: fields.image_tokens_max ?? "",
    aliases: fields.aliases ?? [],
    owned_by: fields.owned_by ?? "",
  };
}

function definitionOf(values: Values): Fields {
  return said({
    family: values.family,
    kind: values.kind,
    list: values.pricing === "list" ? values.list.trim() : "",
    price: values.pricing === "price" ? priceOf(values.price) : undefined,
    max_input_tokens: numberOf(values.max_input_tokens),
    max_output_tokens: numberOf(values.max_output_tokens),
    image_tokens_max: numberOf(values.image_tokens_max),
    aliases: values.aliases,
    owned_by: values.owned_by,
  }) as Fields;
}

function Editor({ known }: { known: ModelDefinition | null }) {
  const { t } = useTranslation("models");
  const [loaded] = useState(known);
  const form = useForm<Values>({
    initialValues: valuesOf(loaded),
    validate: { name: (value) => (value.trim() ? null : t("form.name_rule")) },
  });
  const save = (values: Values, dry_run: boolean) =>
    take(
      api.PUT("/api/v1/model-definitions/{name}", {
        params: { path: { name: values.name.trim() }, query: { dry_run } },
        body: {
          version: loaded?.version ?? "",
          definition: definitionOf(values) as ModelDefinition["definition"],
        },
      }),
    );
  const remove = ({ name, version }: ModelDefinition, dry_run: boolean) =>
    take(api.DELETE("/api/v1/model-definitions/{name}", { params: { path: { name }, query: { version, dry_run } } }));
  return (
    <Page title={loaded ? t("form.edit_title", { name: loaded.name }) : t("form.add_title")} lead={t("form.lead")}>
      <DefinitionForm
        form={form}
        save={save}
        remove={loaded ? (isDryRun) => remove(loaded, isDryRun) : undefined}
        back="/admin/models?tab=definitions"
      >
        <Basics form={form} isNew={!loaded} />
        <Pricing form={form} />
        <Bounds form={form} />
      </DefinitionForm>
    </Page>
  );
}

function Basics({ form, isNew }: { form: Form; isNew: boolean }) {
  const { t } = useTranslation("models");
  const families = useFamilies().data?.items.map((one) => one.name) ?? [];
  return (
    <Section title={t("form.basics")}>
      <div className={catalogue.grid}>
        {isNew && <TextInput label={t("column.model")} description={t("form.name_hint")} required data-autofocus {...form.getInputProps("name")} />}
        <Autocomplete label={t("column.family")} description={t("form.family_hint")} data={families} {...form.getInputProps("family")} />
        <TagsInput label={t("column.aliases")} description={t("form.aliases_hint")} splitChars={[",", " "]} {...form.getInputProps("aliases")} />
      </div>
    </Section>
  );
}

const TYPING_MS = 200;

function Pricing({ form }: { form: Form }) {
  const { t } = useTranslation("models");
  const { pricing, list, price } = form.values;
  const [search] = useDebouncedValue(list, TYPING_MS);
  const official = useQuery({
    queryKey: ["official-prices", search],
    enabled: pricing === "list",
    queryFn: () => take(api.GET("/api/v1/official-prices", { params: { query: { search: search.replace("*", ""), limit: 30 } } })),
  });
  return (
    <Section title={t("form.price")}>
      <div>
        <Choice
          label={t("form.price")}
          value={pricing}
          onChange={(value) => form.setFieldValue("pricing", value)}
          of={(["list", "price", "none"] as const).map((one) => [one, t(`form.pricing.${one}`)])}
        />
      </div>
      {pricing === "list" && (
        <Autocomplete
          label={t("form.list")}
          description={t("form.list_hint")}
          placeholder="openai/gpt-4o"
          data={official.data?.items.map((one) => one.name) ?? []}
          filter={({ options }) => options}
          w={{ base: "100%", sm: 360 }}
          {...form.getInputProps("list")}
        />
      )}
      {official.error && <ErrorNote error={official.error} onRetry={() => void official.refetch()} />}
      {pricing === "price" && (
        <>
          <p className={styles.soft}>{t("form.own_hint")}</p>
          <PriceEditor tiers={price} onChange={(tiers) => form.setFieldValue("price", tiers)} />
          {form.errors.price && <ErrorNote error={new Error(String(form.errors.price))} />}
        </>
      )}
      {pricing === "none" && <p className={styles.soft}>{t("form.none_hint")}</p>}
    </Section>
  );
}

function Bounds({ form }: { form: Form }) {
  const { t } = useTranslation("models");
  const tokens = { min: 0, allowDecimal: false, thousandSeparator: " ", placeholder: t("form.list_says") };
  return (
    <Section title={t("form.bounds")} lead={t("form.bounds_lead")}>
      <div className={catalogue.grid}>
        <NumberInput label={t("form.max_input")} {...tokens} {...form.getInputProps("max_input_tokens")} />
        <NumberInput label={t("form.max_output")} {...tokens} {...form.getInputProps("max_output_tokens")} />
        <NumberInput label={t("form.image_tokens")} {...tokens} {...form.getInputProps("image_tokens_max")} />
        <TextInput label={t("column.kind")} placeholder={t("form.list_says")} {...form.getInputProps("kind")} />
        <TextInput label={t("column.owner")} placeholder={t("form.list_says")} {...form.getInputProps("owned_by")} />
      </div>
    </Section>
  );
}
