import { NumberInput, Radio, TextInput } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Section } from "@/ui/Page";
import type { Form } from "./form";

const CHOICES = ["weighted", "latency"] as const;

/** What holds for all calls. */
export function CallSettings({ form }: { form: Form }) {
  const { t } = useTranslation("settings");
  return (
    <Section title={t("calls")}>
      <TextInput label={t("key_prefix")} description={t("key_prefix_hint")} maxLength={20} {...form.getInputProps("operator.key_prefix")} />
      <Radio.Group label={t("choice")} {...form.getInputProps("operator.choice")}>
        {CHOICES.map((one) => (
          <Radio key={one} value={one} label={t(`choices.${one}`)} mt="xs" />
        ))}
      </Radio.Group>
      <NumberInput
        label={t("attempts_max")}
        description={t("attempts_max_hint")}
        min={1}
        max={8}
        {...form.getInputProps("operator.attempts_max")}
      />
      <NumberInput
        label={t("attempts_total_s")}
        description={t("attempts_total_s_hint")}
        min={1}
        {...form.getInputProps("operator.attempts_total_s")}
      />
    </Section>
  );
}
