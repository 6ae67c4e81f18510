import { TextInput, type TextInputProps } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";

interface Props extends Omit<TextInputProps, "onChange"> {
  onChange: (text: string) => void;
}

/** A field to search by. */
export function SearchInput({ onChange, ...props }: Props) {
  return (
    <TextInput
      type="search"
      leftSection={<IconSearch size={15} stroke={1.7} aria-hidden />}
      onChange={(event) => onChange(event.currentTarget.value)}
      {...props}
    />
  );
}
