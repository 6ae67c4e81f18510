import { useDebouncedValue } from "@mantine/hooks";
import { useEffect, useRef, useState } from "react";
import { useNavigation } from "react-router";
import { useAddress } from "@/ui/address";
import { SearchInput } from "@/ui/SearchInput";

const TYPING_MS = 300;

interface Props {
  label: string;
  hint?: string;
  toQuery?: (text: string) => Promise<string>; // what is asked for, where that is not what was typed
}

/** A search whose text stands in the address, so that a list can be sent to somebody. */
export function Search({ label, hint, toQuery }: Props) {
  const address = useAddress();
  const navigation = useNavigation();
  const isLeaving = useRef(false);
  isLeaving.current = navigation.state !== "idle"; // to set the address then would call that off
  const [text, setText] = useState(address.text("q"));
  const [settled] = useDebouncedValue(text, TYPING_MS);
  useEffect(() => {
    let isLatest = true;
    const ask = async () => {
      const query = toQuery ? await toQuery(settled) : settled.trim();
      if (isLatest && !isLeaving.current && query !== address.text("q")) address.set({ q: query });
    };
    void ask();
    return () => {
      isLatest = false;
    };
  }, [settled]); // what it sets is another one after each navigation
  return (
    <SearchInput label={label} description={hint} value={text} onChange={setText} flex="1 1 18rem" maw={440} />
  );
}
