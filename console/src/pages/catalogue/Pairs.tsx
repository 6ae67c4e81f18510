import { ActionIcon, Button, TextInput } from "@mantine/core";
import { IconPlus, IconX } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import styles from "./Catalogue.module.css";
import type { Pair } from "./types";

interface Props {
  label: string;
  hint?: ReactNode;
  keyLabel: string;
  valueLabel: string;
  pairs: Pair[];
  onChange: (pairs: Pair[]) => void;
  error?: ReactNode;
  valuePlaceholder?: string;
}

/** A list of names with a value each, in an order that may mean something. */
export function Pairs({ label, hint, keyLabel, valueLabel, pairs, onChange, error, valuePlaceholder }: Props) {
  const { t } = useTranslation("catalogue");
  const change = (at: number, field: Partial<Pair>) =>
    onChange(pairs.map((pair, index) => (index === at ? { ...pair, ...field } : pair)));
  return (
    <fieldset style={{ border: 0, margin: 0, padding: 0, minWidth: 0 }}>
      <legend className={styles.label} style={{ padding: 0 }}>
        {label}
      </legend>
      {hint && <div className={styles.hint}>{hint}</div>}
      <div className={styles.rows}>
        {pairs.map((pair, index) => (
          <div key={index} className={styles.pair}>
            <TextInput
              aria-label={`${keyLabel} ${index + 1}`}
              placeholder={keyLabel}
              value={pair.key}
              onChange={(event) => change(index, { key: event.currentTarget.value })}
            />
            <TextInput
              aria-label={`${valueLabel} ${index + 1}`}
              placeholder={valuePlaceholder ?? valueLabel}
              value={pair.value}
              onChange={(event) => change(index, { value: event.currentTarget.value })}
            />
            <ActionIcon
              size="lg"
              aria-label={t("remove_row", { what: pair.key || index + 1 })}
              onClick={() => onChange(pairs.filter((_, other) => other !== index))}
            >
              <IconX size={15} stroke={1.7} />
            </ActionIcon>
          </div>
        ))}
        <div>
          <Button
            size="compact-sm"
            variant="default"
            leftSection={<IconPlus size={14} stroke={1.7} />}
            onClick={() => onChange([...pairs, { key: "", value: "" }])}
          >
            {t("add_row")}
          </Button>
        </div>
      </div>
      {error && (
        <div role="alert" style={{ color: "var(--bad)", fontSize: "var(--mantine-font-size-xs)", marginTop: "0.3rem" }}>
          {error}
        </div>
      )}
    </fieldset>
  );
}
