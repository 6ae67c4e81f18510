import { Tooltip } from "@mantine/core";
import type { Tone } from "@/ui/StatusBadge";
import styles from "./Channels.module.css";

const SHOWN = 32;

/** One small mark for each of many states, the worst first; the words say how many of which. */
export function Squares({ tones, label }: { tones: Tone[]; label: string }) {
  if (tones.length === 0) return null;
  return (
    <Tooltip label={label}>
      <span className={styles.squares} role="img" aria-label={label}>
        {tones.slice(0, SHOWN).map((tone, at) => (
          <i key={at} data-tone={tone} />
        ))}
        {tones.length > SHOWN && <span>+{tones.length - SHOWN}</span>}
      </span>
    </Tooltip>
  );
}
