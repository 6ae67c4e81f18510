import type { ReactNode } from "react";
import styles from "./Stat.module.css";

/** Figures of equal rank side by side, parted by thin rules. */
export function Stats({ children }: { children: ReactNode }) {
  return <dl className={styles.stats}>{children}</dl>;
}

interface Props {
  label: string;
  value: ReactNode;
  note?: ReactNode; // under the value
  tone?: "good" | "warn" | "bad";
}

export function Stat({ label, value, note, tone }: Props) {
  return (
    <div className={styles.stat}>
      <dt>{label}</dt>
      <dd className={styles.value} data-tone={tone}>
        {value}
      </dd>
      {note && <dd className={styles.note}>{note}</dd>}
    </div>
  );
}
