import { Autocomplete, Button, Checkbox, Select, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { useList } from "@/api/lists";
import catalogue from "@/pages/catalogue/Catalogue.module.css";
import { DefinitionForm } from "@/pages/catalogue/DefinitionForm";
import { Choice } from "@/ui/Choice";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import { Page, Section } from "@/ui/Page";
import { SearchInput } from "@/ui/SearchInput";
import { useFamilies, type Official } from "./data";
import styles from "./Models.module.css";

const TYPING_MS = 200;
const PAGE = 60;
const MODES = ["follow", "fix"] as const;

/** Takes prices of the official list: which models, how, and the difference before anything is changed. */
export default function ImportPage() {
  const { t } = useTranslation("models");
  const [names, setNames] = useState<string[]>([]);
  const families = useFamilies().data?.items.map((one) => one.name) ?? [];
  const form = useForm({ initialValues: { names: "", mode: "follow" as (typeof MODES)[number], exchange_rate: "", multiplier: "1", family: "" } });
  const isFixed = form.values.mode === "fix";
  const save = ({ mode, exchange_rate, multiplier, family }: typeof form.values, dry_run: boolean) =>
    take(
      api.POST("/api/v1/price-import", {
        params: { query: { dry_run } },
        body: { names, mode, exchange_rate, multiplier: multiplier || "1", family },
      }),
    );
  return (
    <Page title={t("import.title")} lead={t("import.lead")}>
      <DefinitionForm
        form={form}
        save={save}
        action={t("import.preview", { count: names.length })}
        isDisabled={names.length === 0}
        back="/admin/models"
      >
        <Section title={t("import.which")}>
          <Models names={names} onChange={setNames} />
        </Section>
        <Section title={t("import.how")}>
          <div>
            <Choice
              label={t("import.how")}
              value={form.values.mode}
              onChange={(mode) => form.setFieldValue("mode", mode)}
              of={MODES.map((one) => [one, t(`import.mode.${one}`)])}
            />
          </div>
          <p className={styles.soft}>{t(isFixed ? "import.fix_hint" : "import.follow_hint")}</p>
          <div className={catalogue.grid}>
            {isFixed && (
              <>
                <TextInput label={t("import.rate")} description={t("import.rate_hint")} inputMode="decimal" {...form.getInputProps("exchange_rate")} />
                <TextInput label={t("import.multiplier")} description={t("import.multiplier_hint")} inputMode="decimal" {...form.getInputProps("multiplier")} />
              </>
            )}
            <Autocomplete label={t("column.family")} description={t("import.family_hint")} data={families} {...form.getInputProps("family")} />
          </div>
        </Section>
      </DefinitionForm>
    </Page>
  );
}

function Models({ names, onChange }: { names: string[]; onChange: (names: string[]) => void }) {
  const { t } = useTranslation("models");
  const [search, setSearch] = useState("");
  const [settled] = useDebouncedValue(search, TYPING_MS);
  const [provider, setProvider] = useState<string | null>(null);
  const providers = useQuery({
    queryKey: ["official-providers"],
    queryFn: () => take(api.GET("/api/v1/official-providers")),
    staleTime: Infinity,
  });
  const list = useList<Official>(["official-prices", "choice", settled, provider], (after) =>
    take(api.GET("/api/v1/official-prices", { params: { query: { search: settled, provider: provider ?? "", after, limit: PAGE } } })),
  );
  const shown = list.items.filter((one) => !one.is_retired).map((one) => one.name);
  const areAllChosen = shown.length > 0 && shown.every((name) => names.includes(name));
  const toggle = (name: string) => onChange(names.includes(name) ? names.filter((one) => one !== name) : [...names, name]);
  const toggleAll = () => onChange(areAllChosen ? names.filter((one) => !shown.includes(one)) : [...new Set([...names, ...shown])]);
  return (
    <div>
      <div className={styles.controls}>
        <SearchInput aria-label={t("search")} placeholder={t("search")} value={search} onChange={setSearch} className={styles.search} />
        <Select
          aria-label={t("import.provider")}
          placeholder={t("import.provider")}
          data={providers.data?.items ?? []}
          value={provider}
          onChange={setProvider}
          clearable
          clearButtonProps={{ "aria-label": t("import.all_providers") }}
          w={180}
        />
      </div>
      {list.error && <ErrorNote error={list.error} onRetry={list.refetch} />}
      {!list.isLoading && !list.error && list.items.length === 0 && <EmptyState title={t("none_found")} />}
      {list.items.length > 0 && (
        <>
          <div className={styles.heads} aria-hidden="true">
            <span>{t("import.dollars")}</span>
            <span className={styles.figures}>
              <span>{t("import.input")}</span>
              <span>{t("import.output")}</span>
            </span>
          </div>
          <div className={styles.pick} tabIndex={0} role="group" aria-label={t("import.which")}>
            {list.items.map((one) => (
              <Row key={one.name} one={one} isChosen={names.includes(one.name)} onToggle={() => toggle(one.name)} />
            ))}
            {list.hasMore && (
              <Button variant="subtle" size="compact-sm" m="xs" loading={list.isLoadingMore} onClick={list.loadMore}>
                {t("common:more")}
              </Button>
            )}
          </div>
          <Checkbox mt="xs" label={t("import.all_shown", { count: shown.length })} checked={areAllChosen} onChange={toggleAll} />
        </>
      )}
    </div>
  );
}

function Row({ one, isChosen, onToggle }: { one: Official; isChosen: boolean; onToggle: () => void }) {
  const { t } = useTranslation("models");
  const plain = (component: string) =>
    one.lines.find((line) => line.component === component && line.service_tier === "default" && line.prompt_tokens_over === 0)?.usd;
  const marks = [one.is_known && t("import.known"), one.is_retired && t("import.retired")].filter(Boolean);
  return (
    <label className={styles.picked}>
      <Checkbox checked={isChosen} onChange={onToggle} aria-label={one.name} />
      <span style={{ overflowWrap: "anywhere" }}>
        {one.name}
        {marks.length > 0 && <span className={styles.sub}>{marks.join(" · ")}</span>}
      </span>
      <span className={styles.figures}>
        <span>{plain("input") ? `$${plain("input")}` : "–"}</span>
        <span>{plain("output") ? `$${plain("output")}` : "–"}</span>
      </span>
    </label>
  );
}
