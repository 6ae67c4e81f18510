import { TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconSearch } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import { useSearchParams } from "react-router";

const TYPING_MS = 300;

interface Props {
  label: string;
  hint?: string;
  toQuery?: (text: string) => Promise<string>; // what is asked for, where that is not what was typed
}

/** A search whose text stands in the address, so that a list can be sent to somebody. */
export function Search({ label, hint, toQuery }: Props) {
  const [params, setParams] = useSearchParams();
  const [text, setText] = useState(params.get("q") ?? "");
  const [settled] = useDebouncedValue(text, TYPING_MS);
  useEffect(() => {
    let isLatest = true;
    const ask = async () => {
      const query = toQuery ? await toQuery(settled) : settled.trim();
      if (isLatest) setParams((before) => withParam(before, "q", query), { replace: true });
    };
    void ask();
    return () => {
      isLatest = false;
    };
  }, [settled]); // setParams is another one after each navigation
  return (
    <TextInput
      type="search"
      label={label}
      description={hint}
      leftSection={<IconSearch size={15} stroke={1.7} />}
      value={text}
      onChange={(event) => setText(event.currentTarget.value)}
      flex="1 1 18rem"
      maw={440}
    />
  );
}

/** The address's parameters with one of them set, or without it where it is empty. */
export function withParam(params: URLSearchParams, name: string, value: string): URLSearchParams {
  const changed = new URLSearchParams(params);
  if (value) changed.set(name, value);
  else changed.delete(name);
  return changed;
}
