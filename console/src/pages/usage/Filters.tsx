import { Autocomplete, Group, Select, TextInput } from "@mantine/core";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { Choice } from "@/ui/Choice";
import { ENDINGS } from "./types";
import { PERIODS, type Wanted } from "./wanted";
import styles from "./Usage.module.css";

interface Props {
  wanted: Wanted;
  set: (changes: Record<string, string>) => void;
  models: string[]; // names to choose from; another one can be typed
  keys?: { value: string; label: string }[]; // a member's own; without them the id is typed
  isOfSite?: boolean;
}

/** Which calls the page shows. */
export function Filters({ wanted, set, models, keys, isOfSite }: Props) {
  const { t } = useTranslation("usage");
  const { period, filters } = wanted;
  return (
    <div className={styles.filters}>
      <Choice
        size="xs"
        label={t("period.label")}
        value={period}
        onChange={(value) => set({ period: value })}
        of={PERIODS.map((one) => [one, t(`period.${one}`)])}
        className={styles.period}
      />
      <Group gap="sm" align="flex-end">
        {period === "own" && (
          <>
            <TextInput type="date" label={t("from")} value={wanted.from} max={wanted.to || undefined} onChange={(event) => set({ from: event.currentTarget.value })} />
            <TextInput type="date" label={t("to")} value={wanted.to} min={wanted.from || undefined} onChange={(event) => set({ to: event.currentTarget.value })} />
          </>
        )}
        {isOfSite && <Typed label={t("account")} placeholder={t("account_hint")} value={filters.account} onDone={(account) => set({ account })} />}
        <Autocomplete
          label={t("model")}
          placeholder={t("all")}
          data={models}
          value={filters.model}
          onChange={(model) => set({ model })}
          clearable
          clearButtonProps={{ "aria-label": t("clear", { what: t("model") }) }}
          className={styles.wide}
        />
        {keys ? (
          <Picked label={t("key")} value={filters.key_id} data={keys} onChange={(key_id) => set({ key_id })} />
        ) : (
          <Typed label={t("key")} placeholder="key_…" value={filters.key_id} onDone={(key_id) => set({ key_id })} />
        )}
        <Picked
          label={t("ending.label")}
          value={filters.ending}
          data={ENDINGS.map((value) => ({ value, label: t(`ending.${value}`) }))}
          onChange={(ending) => set({ ending })}
        />
        <Typed label={t("http_status")} placeholder="429" value={filters.status} onDone={(status) => set({ status })} width={90} />
        {isOfSite && <Typed label={t("channel")} value={filters.channel} onDone={(channel) => set({ channel })} width={130} />}
      </Group>
    </div>
  );
}

function Picked({ label, value, data, onChange }: { label: string; value: string; data: { value: string; label: string }[]; onChange: (value: string) => void }) {
  const { t } = useTranslation("usage");
  return (
    <Select
      label={label}
      placeholder={t("all")}
      data={data}
      value={value || null}
      onChange={(chosen) => onChange(chosen ?? "")}
      clearable
      clearButtonProps={{ "aria-label": t("clear", { what: label }) }}
      className={styles.wide}
    />
  );
}

/** A field whose text counts once it is left, or enter is pressed: half a word finds nothing. */
function Typed({ label, placeholder, value, onDone, width }: { label: string; placeholder?: string; value: string; onDone: (value: string) => void; width?: number }) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  return (
    <TextInput
      label={label}
      placeholder={placeholder}
      value={text}
      onChange={(event) => setText(event.currentTarget.value)}
      onBlur={() => text.trim() !== value && onDone(text.trim())}
      onKeyDown={(event) => event.key === "Enter" && onDone(text.trim())}
      w={width}
      className={width ? undefined : styles.wide}
    />
  );
}
