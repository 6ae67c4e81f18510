import { Money } from "@/ui/Money";
import { nanosOf } from "@/ui/money";

/** A price with all of its digits; a dash where the component has none of its own. */
export function PriceCell({ line }: { line: { price: string } | undefined }) {
  if (!line) return <span aria-hidden="true">–</span>;
  return <Money value={line.price} decimals={nanosOf(line.price) === 0n ? 0 : "all"} />;
}
