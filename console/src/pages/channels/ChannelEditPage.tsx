import { Button, MultiSelect, NumberInput, PasswordInput, Select, Switch, TagsInput, TextInput } from "@mantine/core";
import { useForm, type UseFormReturnType } from "@mantine/form";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useParams } from "react-router";
import { api, take } from "@/api/client";
import catalogue from "@/pages/catalogue/Catalogue.module.css";
import { DefinitionForm } from "@/pages/catalogue/DefinitionForm";
import { Pairs } from "@/pages/catalogue/Pairs";
import { PriceEditor } from "@/pages/catalogue/PriceEditor";
import { newTier } from "@/pages/catalogue/prices";
import { ErrorNote } from "@/ui/ErrorNote";
import { LoadedPage } from "@/ui/Loaded";
import { Page, Section } from "@/ui/Page";
import styles from "./Channels.module.css";
import { pathOf } from "./ChannelsPage";
import { useChannel, usePresets, type Channel, type Definition } from "./data";
import { DEADLINES, definitionOf, HEALTH, valuesOf, type HealthField, type Values } from "./form";

type Form = UseFormReturnType<Values>;

export default function ChannelEditPage() {
  const { name } = useParams();
  return name ? <Existing name={name} /> : <Editor channel={null} />;
}

function Existing({ name }: { name: string }) {
  const query = useChannel(name);
  return (
    <LoadedPage title={name} query={query}>
      {(channel) => <Editor channel={channel} />}
    </LoadedPage>
  );
}

function Editor({ channel }: { channel: Channel | null }) {
  const { t } = useTranslation("channels");
  const [loaded] = useState(channel); // what the change is made from, whatever is refetched meanwhile
  const before: Definition = loaded?.definition ?? {};
  const form = useForm<Values>({
    initialValues: valuesOf(loaded?.name ?? "", before),
    validate: { name: (value) => (value.trim() && !/[:/]/.test(value) ? null : t("form.name_rule")) },
  });
  const name = form.values.name.trim();
  const save = (values: Values, dry_run: boolean) =>
    take(
      api.PUT("/api/v1/channels/{name}", {
        params: { path: { name }, query: { dry_run } },
        body: {
          version: loaded?.version ?? "",
          definition: definitionOf(values, before) as Channel["definition"],
          credential: values.credential || null,
        },
      }),
    );
  return (
    <Page title={loaded ? t("form.edit_title", { name: loaded.name }) : t("form.add_title")} lead={t("form.lead")}>
      <DefinitionForm form={form} save={save} back={loaded ? pathOf(loaded.name) : "/admin/channels"} onwards={pathOf(name)}>
        <Upstream form={form} isNew={!loaded} channel={loaded} />
        <Offer form={form} />
        <Order form={form} />
        <Network form={form} />
        <Shape form={form} />
        <Health form={form} />
        <Costs form={form} />
      </DefinitionForm>
    </Page>
  );
}

function Upstream({ form, isNew, channel }: { form: Form; isNew: boolean; channel: Channel | null }) {
  const { t } = useTranslation("channels");
  const query = usePresets();
  const presets = query.data?.items ?? [];
  const preset = presets.find((one) => one.name === form.values.preset);
  const known = presets.length > 0 ? presets : [{ name: form.values.preset, title: form.values.preset }];
  const hasSeveral = (channel?.definition.credentials ?? []).length > 0;
  const isStored = channel?.credentials.some((one) => one.is_stored) ?? false;
  return (
    <Section title={t("form.upstream")}>
      {query.error && <ErrorNote error={query.error} onRetry={() => void query.refetch()} />}
      <div className={catalogue.grid}>
        {isNew && <TextInput label={t("form.name")} description={t("form.name_hint")} required data-autofocus {...form.getInputProps("name")} />}
        <Select
          label={t("form.preset")}
          description={t("form.preset_hint")}
          data={known.map((one) => ({ value: one.name, label: t(`preset.${one.name}`, { defaultValue: one.title }) }))}
          searchable
          allowDeselect={false}
          {...form.getInputProps("preset")}
        />
        <TextInput
          label={t("form.base_url")}
          description={t("form.base_url_hint")}
          placeholder={preset?.base_url || "https://api.example.com/v1"}
          inputMode="url"
          {...form.getInputProps("base_url")}
        />
        {!hasSeveral && (
          <PasswordInput
            label={t("form.credential")}
            description={isStored ? t("credential.secret_kept") : t("form.credential_hint")}
            autoComplete="off"
            {...form.getInputProps("credential")}
          />
        )}
        <MultiSelect
          label={t("form.dialects")}
          description={t("form.of_preset", { value: preset?.dialects.join(", ") ?? "" })}
          data={["openai", "anthropic", "gemini"]}
          {...form.getInputProps("dialects")}
        />
        <TextInput
          label={t("form.auth")}
          description={t("form.auth_hint")}
          placeholder="bearer"
          {...form.getInputProps("auth")}
        />
        <TextInput
          label={t("form.api_version")}
          description={t("form.api_version_hint")}
          placeholder={preset?.api_version}
          {...form.getInputProps("api_version")}
        />
      </div>
      {hasSeveral && <p className={styles.quiet}>{t("form.credentials_elsewhere")}</p>}
    </Section>
  );
}

function Offer({ form }: { form: Form }) {
  const { t } = useTranslation("channels");
  return (
    <Section title={t("form.offer")}>
      <TagsInput
        label={t("form.models")}
        description={t("form.models_hint")}
        splitChars={[",", " ", "\n"]}
        {...form.getInputProps("models")}
      />
      <Pairs
        label={t("form.model_map")}
        hint={t("form.model_map_hint")}
        keyLabel={t("form.member_name")}
        valueLabel={t("form.upstream_name")}
        pairs={form.values.model_map}
        onChange={(pairs) => form.setFieldValue("model_map", pairs)}
        error={form.errors.model_map}
      />
    </Section>
  );
}

function Order({ form }: { form: Form }) {
  const { t } = useTranslation("channels");
  return (
    <Section title={t("form.order")}>
      <div className={catalogue.grid}>
        <NumberInput label={t("form.priority")} description={t("form.priority_hint")} allowDecimal={false} {...form.getInputProps("priority")} />
        <NumberInput label={t("form.weight")} description={t("form.weight_hint")} min={0} allowDecimal={false} {...form.getInputProps("weight")} />
        <Switch
          label={t("form.enabled")}
          description={t("form.enabled_hint")}
          {...form.getInputProps("enabled", { type: "checkbox" })}
        />
      </div>
    </Section>
  );
}

function Network({ form }: { form: Form }) {
  const { t } = useTranslation("channels");
  return (
    <Section title={t("form.network")} lead={t("form.network_lead")}>
      <TextInput label={t("form.proxy")} description={t("form.proxy_hint")} placeholder="socks5://proxy.example.com:1080" {...form.getInputProps("proxy")} />
      <Pairs
        label={t("form.headers")}
        hint={t("form.headers_hint")}
        keyLabel={t("form.header")}
        valueLabel={t("form.value")}
        pairs={form.values.headers}
        onChange={(pairs) => form.setFieldValue("headers", pairs)}
        error={form.errors.headers}
      />
      <div className={catalogue.narrow}>
        {DEADLINES.map((field) => (
          <NumberInput
            key={field}
            label={t(`form.${field}`)}
            placeholder={t("form.preset_says")}
            suffix=" s"
            min={0}
            error={form.errors[field]}
            {...form.getInputProps(`deadlines.${field}`)}
          />
        ))}
        <NumberInput label={t("form.connection_idle_s")} placeholder={t("form.preset_says")} suffix=" s" min={0} {...form.getInputProps("connection_idle_s")} />
        <NumberInput label={t("form.connections_max")} placeholder={t("form.preset_says")} min={1} allowDecimal={false} {...form.getInputProps("connections_max")} />
        <NumberInput label={t("form.keep_alive_s")} placeholder={t("form.never")} suffix=" s" min={0} {...form.getInputProps("keep_alive_s")} />
      </div>
      <div className={catalogue.grid}>
        <TextInput label={t("form.ca_file")} description={t("form.ca_file_hint")} {...form.getInputProps("ca_file")} />
        <Switch label={t("form.tls_verify")} description={t("form.tls_verify_hint")} {...form.getInputProps("tls_verify", { type: "checkbox" })} />
      </div>
    </Section>
  );
}

function Shape({ form }: { form: Form }) {
  const { t } = useTranslation("channels");
  return (
    <Section title={t("form.shape")} lead={t("form.shape_lead")}>
      <TagsInput label={t("form.drop")} description={t("form.drop_hint")} splitChars={[",", " "]} {...form.getInputProps("drop")} />
      <Pairs
        label={t("form.rename")}
        keyLabel={t("form.member")}
        valueLabel={t("form.new_name")}
        pairs={form.values.rename}
        onChange={(pairs) => form.setFieldValue("rename", pairs)}
        error={form.errors.rename}
      />
    </Section>
  );
}

function Health({ form }: { form: Form }) {
  const { t } = useTranslation("channels");
  return (
    <Section title={t("form.health")} lead={t("form.health_lead")}>
      {typeof form.errors.health === "string" && <ErrorNote error={new Error(form.errors.health)} />}
      <div className={catalogue.narrow}>
        {(Object.keys(HEALTH) as HealthField[]).map((field) => (
          <NumberInput
            key={field}
            label={t(`form.${field}`)}
            placeholder={String(HEALTH[field])}
            suffix={field.endsWith("_s") ? " s" : undefined}
            min={0}
            step={field === "error_rate" ? 0.05 : 1}
            {...form.getInputProps(`health.${field}`)}
          />
        ))}
        <TextInput label={t("form.probe_model")} {...form.getInputProps("probe_model")} />
      </div>
    </Section>
  );
}

function Costs({ form }: { form: Form }) {
  const { t } = useTranslation("channels");
  const { costs } = form.values;
  return (
    <Section title={t("form.costs")} lead={t("form.costs_lead")}>
      <TextInput
        label={t("form.cost_multiplier")}
        description={t("form.cost_multiplier_hint")}
        placeholder="1"
        w={220}
        {...form.getInputProps("cost_multiplier")}
      />
      {typeof form.errors.costs === "string" && <ErrorNote error={new Error(form.errors.costs)} />}
      {costs.map((cost, index) => (
        <div key={index} className={styles.cost}>
          <TextInput
            label={t("form.cost_pattern")}
            w={280}
            mb="xs"
            value={cost.pattern}
            onChange={(event) => form.setFieldValue(`costs.${index}.pattern`, event.currentTarget.value)}
          />
          <PriceEditor tiers={cost.tiers} onChange={(tiers) => form.setFieldValue(`costs.${index}.tiers`, tiers)} />
          <Button variant="subtle" color="gray" size="compact-sm" mt="xs" onClick={() => form.removeListItem("costs", index)}>
            {t("form.cost_remove")}
          </Button>
        </div>
      ))}
      <div>
        <Button variant="default" size="compact-md" onClick={() => form.insertListItem("costs", { pattern: "", tiers: [newTier()] })}>
          {t("form.cost_add")}
        </Button>
      </div>
    </Section>
  );
}
