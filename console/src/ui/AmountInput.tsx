import { TextInput, type TextInputProps } from "@mantine/core";
import { useSite } from "@/api/site";

/** An amount in the operator's currency, as a decimal text. */
export function AmountInput(props: TextInputProps) {
  const currency = useSite()?.currency ?? "";
  return <TextInput inputMode="decimal" autoComplete="off" rightSection={<small>{currency}</small>} rightSectionWidth={48} {...props} />;
}
