import type { ReactNode } from "react";
import styles from "./Notes.module.css";

/** What stands where a list has nothing: what would be here, and how to get it. */
export function EmptyState({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className={styles.empty}>
      <div className={children ? styles.emptyTitle : undefined}>{title}</div>
      {children && <div>{children}</div>}
    </div>
  );
}
