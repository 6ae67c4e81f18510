import { useState } from "react";
import { useTranslation } from "react-i18next";
import { formatTime } from "@/ui/Time";
import styles from "./Status.module.css";
import { formatPermille } from "./StatusPage";

interface Props {
  name: string;
  steps: (number | null)[]; // permille of calls that went well; null: no calls
  starts: number[];
  isDaily: boolean;
}

const GOOD = 980;
const BAD = 500;

function tone(permille: number | null): string {
  if (permille === null) return "none";
  return permille >= GOOD ? "good" : permille >= BAD ? "warn" : "bad";
}

/** A bar for each hour or day; what is under the pointer is told below. */
export function StepBars({ name, steps, starts, isDaily }: Props) {
  const { t, i18n } = useTranslation("status");
  const [at, setAt] = useState<number | null>(null);
  const when = (index: number) => formatTime(starts[index]!, i18n.language, isDaily ? "date" : "datetime");
  const share = (permille: number | null) => (permille === null ? t("no_calls") : formatPermille(permille, i18n.language));
  const hurt = steps.filter((step) => step !== null && step < GOOD).length;
  return (
    <div>
      <div
        className={styles.bars}
        role="img"
        aria-label={t(hurt ? "bars_hurt" : "bars_well", { name, count: hurt, from: when(0) })}
        onPointerLeave={() => setAt(null)}
      >
        {steps.map((step, index) => (
          <span key={starts[index]} data-tone={tone(step)} onPointerEnter={() => setAt(index)} />
        ))}
      </div>
      <div className={styles.scale} aria-hidden="true">
        <span>{at === null ? when(0) : when(at)}</span>
        <span>{at === null ? t("now") : share(steps[at]!)}</span>
      </div>
    </div>
  );
}
