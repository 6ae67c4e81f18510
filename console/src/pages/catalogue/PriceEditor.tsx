import { ActionIcon, Button, Group, NumberInput, Select, TextInput } from "@mantine/core";
import { IconPlus, IconX } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import styles from "./Catalogue.module.css";
import { COMPONENTS, newTier, type Tier } from "./prices";

const TIERS = ["default", "priority", "flex", "batch"];

/** Prices of a model, or of what a channel takes for it: one tier, or several for long prompts and service tiers. */
export function PriceEditor({ tiers, onChange }: { tiers: Tier[]; onChange: (tiers: Tier[]) => void }) {
  const { t } = useTranslation("catalogue");
  const change = (at: number, tier: Partial<Tier>) =>
    onChange(tiers.map((one, index) => (index === at ? { ...one, ...tier } : one)));
  return (
    <div>
      {tiers.map((tier, index) => (
        <div key={index} className={styles.tier}>
          <Amounts tier={tier} onChange={(amounts) => change(index, { amounts })} />
          <Conditions tier={tier} onChange={(fields) => change(index, fields)} />
          {tiers.length > 1 && (
            <Button
              size="compact-xs"
              variant="subtle"
              color="gray"
              mt="xs"
              onClick={() => onChange(tiers.filter((_, other) => other !== index))}
            >
              {t("tier.remove")}
            </Button>
          )}
        </div>
      ))}
      <Button
        size="compact-sm"
        variant="default"
        mt="xs"
        leftSection={<IconPlus size={14} stroke={1.7} />}
        onClick={() => onChange([...tiers, newTier()])}
      >
        {t(tiers.length ? "tier.add" : "tier.first")}
      </Button>
    </div>
  );
}

function Amounts({ tier, onChange }: { tier: Tier; onChange: (amounts: Tier["amounts"]) => void }) {
  const { t } = useTranslation("catalogue");
  const { amounts } = tier;
  const taken = amounts.map((one) => one.key);
  const free = COMPONENTS.filter((one) => !taken.includes(one));
  const name = (component: string) => t(`component.${component}`);
  return (
    <div className={styles.narrow}>
      {amounts.map((amount, index) => (
        <Group key={amount.key} gap={4} align="flex-end" wrap="nowrap">
          <TextInput
            label={name(amount.key)}
            inputMode="decimal"
            value={amount.value}
            style={{ flex: 1 }}
            onChange={(event) =>
              onChange(amounts.map((one, other) => (other === index ? { ...one, value: event.currentTarget.value } : one)))
            }
          />
          <ActionIcon
            size="lg"
            aria-label={t("remove_row", { what: name(amount.key) })}
            onClick={() => onChange(amounts.filter((_, other) => other !== index))}
          >
            <IconX size={15} stroke={1.7} />
          </ActionIcon>
        </Group>
      ))}
      <Select
        label={t("tier.more")}
        placeholder={t("tier.choose")}
        data={free.map((one) => ({ value: one, label: name(one) }))}
        value={null}
        searchable
        onChange={(value) => value && onChange([...amounts, { key: value, value: "" }])}
      />
    </div>
  );
}

function Conditions({ tier, onChange }: { tier: Tier; onChange: (fields: Partial<Tier>) => void }) {
  const { t } = useTranslation("catalogue");
  const hasImages = tier.amounts.some((one) => one.key === "image") || tier.size || tier.quality;
  return (
    <div className={styles.conditions}>
      <Select
        label={t("tier.per")}
        data={[
          { value: "1M", label: t("tier.million") },
          { value: "1k", label: t("tier.thousand") },
        ]}
        value={tier.per}
        allowDeselect={false}
        w={150}
        onChange={(per) => onChange({ per: per ?? "1M" })}
      />
      <NumberInput
        label={t("tier.over")}
        value={tier.prompt_tokens_over}
        min={0}
        allowDecimal={false}
        thousandSeparator=" "
        w={150}
        onChange={(value) => onChange({ prompt_tokens_over: typeof value === "number" ? value : "" })}
      />
      <Select
        label={t("tier.service")}
        data={[...new Set([...TIERS, tier.service_tier || "default"])]}
        value={tier.service_tier || "default"}
        allowDeselect={false}
        w={130}
        onChange={(value) => onChange({ service_tier: value ?? "" })}
      />
      {hasImages && (
        <>
          <TextInput label={t("tier.size")} value={tier.size} w={150} onChange={(event) => onChange({ size: event.currentTarget.value })} />
          <TextInput
            label={t("tier.quality")}
            value={tier.quality}
            w={110}
            onChange={(event) => onChange({ quality: event.currentTarget.value })}
          />
        </>
      )}
    </div>
  );
}
