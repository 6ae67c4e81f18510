import { useSearchParams } from "react-router";

/** What the page's address says after its "?", and a way to change that; an empty value takes a name away. It is where
 * filters stand, so that a list can be kept and sent. */
export function useAddress() {
  const [params, setParams] = useSearchParams();
  const set = (changes: Record<string, string | null>) =>
    setParams(
      (before) => {
        const changed = new URLSearchParams(before);
        for (const [name, value] of Object.entries(changes)) {
          if (value) changed.set(name, value);
          else changed.delete(name);
        }
        return changed;
      },
      { replace: true },
    );
  return { text: (name: string) => params.get(name) ?? "", set };
}
