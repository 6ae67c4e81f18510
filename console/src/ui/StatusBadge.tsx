import type { ReactNode } from "react";
import styles from "./StatusBadge.module.css";

export type Tone = "good" | "warn" | "bad" | "quiet";

/** A state in a word, with a mark whose form differs as well as its colour. */
export function StatusBadge({ tone, children }: { tone: Tone; children: ReactNode }) {
  return (
    <span className={styles.badge} data-tone={tone}>
      <svg viewBox="0 0 8 8" aria-hidden="true">
        {tone === "good" && <circle cx="4" cy="4" r="3.5" fill="currentColor" />}
        {tone === "warn" && <path d="M4 0.3 7.8 7.5H0.2Z" fill="currentColor" />}
        {tone === "bad" && <rect x="0.6" y="0.6" width="6.8" height="6.8" fill="currentColor" />}
        {tone === "quiet" && <circle cx="4" cy="4" r="2.9" fill="none" stroke="currentColor" strokeWidth="1.2" />}
      </svg>
      {children}
    </span>
  );
}
