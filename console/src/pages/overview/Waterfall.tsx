import { useTranslation } from "react-i18next";
import { Money } from "@/ui/Money";
import { decimalOf, nanosOf } from "@/ui/money";
import type { Books } from "./data";
import styles from "./Overview.module.css";

interface Flow {
  name: "topups" | "promotions" | "corrections" | "refunds" | "charges" | "balances";
  nanos: bigint; // signed: what it does to what members have
  from: bigint; // where its bar begins
}

/** How what came in became what members have: each bar begins where the one above it ends. */
export function Waterfall({ books }: { books: Books }) {
  const { t } = useTranslation("overview");
  const flows = flowsOf(books);
  const ends = flows.flatMap((flow) => [flow.from, flow.from + flow.nanos]);
  const low = ends.reduce((one, other) => (other < one ? other : one), 0n);
  const high = ends.reduce((one, other) => (other > one ? other : one), 1n);
  const place = (nanos: bigint) => (Number(nanos - low) / Number(high - low)) * 100;
  return (
    <ul className={styles.waterfall}>
      {flows.map(({ name, nanos, from }) => {
        const [left, right] = [place(nanos < 0n ? from + nanos : from), place(nanos < 0n ? from : from + nanos)];
        const kind = name === "balances" ? "sum" : nanos < 0n ? "out" : "in";
        return (
          <li key={name} data-kind={kind}>
            <span className={styles.flow}>{t(`flow.${name}`)}</span>
            <span className={styles.fall} aria-hidden="true">
              {nanos !== 0n && <i style={{ left: `${left}%`, width: `max(2px, ${right - left}%)` }} />}
            </span>
            {nanos === 0n ? <span className={styles.soft}>–</span> : <Money value={decimalOf(nanos)} isSigned={kind !== "sum"} />}
          </li>
        );
      })}
    </ul>
  );
}

function flowsOf(books: Books): Flow[] {
  const sum = (value: (month: Books["months"][number]) => string) => books.months.reduce((total, month) => total + nanosOf(value(month)), 0n);
  const moves: [Flow["name"], bigint][] = [
    ["topups", sum((month) => month.topups)],
    ["promotions", sum((month) => month.promotions)],
    ["corrections", sum((month) => month.corrections)],
    ["refunds", -sum((month) => month.refunds)],
    ["charges", -sum((month) => month.charges)],
  ];
  let at = 0n;
  const flows = moves.map(([name, nanos]): Flow => {
    const from = at;
    at += nanos;
    return { name, nanos, from };
  });
  return [...flows, { name: "balances", nanos: nanosOf(books.balances), from: 0n }];
}
