import type { ReactNode } from "react";
import styles from "./Meter.module.css";

interface Props {
  label: ReactNode;
  used: number;
  limit: number; // above zero
  text: ReactNode; // "42 of 60", "frees in 12 min"
  name: string; // for screen readers
}

const NEARLY = 0.85;

/** How much of a limit is used. */
export function Meter({ label, used, limit, text, name }: Props) {
  const share = Math.min(1, used / limit);
  const tone = share >= 1 ? "bad" : share >= NEARLY ? "warn" : undefined;
  return (
    <div>
      <div className={styles.words}>
        <span>{label}</span>
        <span className={styles.text}>{text}</span>
      </div>
      <div
        className={styles.bar}
        role="meter"
        aria-label={name}
        aria-valuemin={0}
        aria-valuemax={limit}
        aria-valuenow={Math.min(used, limit)}
        data-tone={tone}
      >
        {used > 0 && <div style={{ width: `${share * 100}%` }} />}
      </div>
    </div>
  );
}
