import { useTranslation } from "react-i18next";
import { Hint } from "./Hint";
import styles from "./Figures.module.css";

type Look = "datetime" | "date" | "seconds" | "relative";

const LOOKS: Record<Exclude<Look, "relative">, Intl.DateTimeFormatOptions> = {
  date: { year: "numeric", month: "short", day: "numeric" },
  datetime: { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  seconds: { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
};
const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1000],
];

/** The viewer's own, whose days and months figures are of. */
export const TIME_ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

export function formatTime(ms: number, locale: string, look: Look = "datetime", nowMs = Date.now()): string {
  if (look !== "relative") return new Intl.DateTimeFormat(locale, LOOKS[look]).format(ms);
  const passed = ms - nowMs;
  const [unit, size] = UNITS.find(([, size]) => Math.abs(passed) >= size) ?? UNITS[UNITS.length - 1]!;
  return new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).format(Math.round(passed / size), unit);
}

/** A moment in the viewer's zone; the tooltip has it to the second, with the zone. */
export function Time({ ms, look = "datetime" }: { ms: number; look?: Look }) {
  const { i18n } = useTranslation();
  const exact = new Intl.DateTimeFormat(i18n.language, { dateStyle: "medium", timeStyle: "long" }).format(ms);
  return (
    <Hint label={exact}>
      <time className={styles.figure} dateTime={new Date(ms).toISOString()}>
        {formatTime(ms, i18n.language, look)}
      </time>
    </Hint>
  );
}
