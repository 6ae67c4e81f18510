import { SegmentedControl, type SegmentedControlProps } from "@mantine/core";

interface Props<T extends string> extends Omit<SegmentedControlProps, "data" | "value" | "onChange"> {
  label: string; // what is chosen, for screen readers
  value: T;
  onChange: (value: T) => void;
  of: readonly (readonly [T, string])[]; // values, each with its word
}

/** One of a few, all of them in sight. */
export function Choice<T extends string>({ label, of, onChange, ...props }: Props<T>) {
  return (
    <SegmentedControl
      aria-label={label}
      data={of.map(([value, word]) => ({ value, label: word }))}
      onChange={(value) => onChange(value as T)}
      {...props}
    />
  );
}
