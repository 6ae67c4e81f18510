import { Copy } from "./Copy";
import styles from "./Code.module.css";

/** Lines to copy: a snippet, a URL, a configuration. */
export function CodeBlock({ code, label }: { code: string; label: string }) {
  return (
    <div className={styles.block}>
      <pre tabIndex={0} role="group" aria-label={label}>
        <code>{code}</code>
      </pre>
      <div className={styles.copy}>
        <Copy value={code} what={label} />
      </div>
    </div>
  );
}

/** A value in one line with its copy button: an id, an address. */
export function CopyLine({ value, label }: { value: string; label: string }) {
  return (
    <span className={styles.line}>
      <code>{value}</code>
      <Copy value={value} what={label} />
    </span>
  );
}
