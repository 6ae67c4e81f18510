import { useTranslation } from "react-i18next";
import type { components } from "@/api/schema";
import { StatusBadge } from "@/ui/StatusBadge";
import styles from "./Channels.module.css";

type TestResult = components["schemas"]["TestAnswer"];

const PHASES = [
  ["dns_ms", "--series-4"],
  ["connect_ms", "--series-6"],
  ["proxy_ms", "--series-5"],
  ["tls_ms", "--series-3"],
  ["send_ms", "--soft"],
  ["header_ms", "--series-2"],
  ["first_byte_ms", "--line-strong"],
  ["body_ms", "--series-1"],
] as const;

interface Props {
  result: TestResult;
  model: string; // which was asked; "": none, but for the list
}

/** Where the time of a test went: a bar of its phases, the one in which it failed in red. */
export function PhaseBar({ result, model }: Props) {
  const { t, i18n } = useTranslation("channels");
  const measured = PHASES.flatMap(([phase, colour]) => {
    const ms = result.phases[phase];
    return ms === null || ms === undefined ? [] : [{ phase, colour, ms }];
  });
  const isUnsure = result.works && !model && result.models === null; // any website answers so
  const failed = result.fault ? measured.at(-1)?.phase : undefined;
  const tint = (one: (typeof measured)[number]) => `var(${one.phase === failed ? "--bad" : one.colour})`;
  const format = (ms: number) => new Intl.NumberFormat(i18n.language, { maximumFractionDigits: 1 }).format(ms) + " ms";
  return (
    <div>
      <div className={styles.verdict} role="status">
        <StatusBadge tone={isUnsure ? "warn" : result.works ? "good" : "bad"}>
          <b>{t(isUnsure ? "test.unsure" : result.works ? "test.works" : "test.fails")}</b>
        </StatusBadge>
        <span>{t(`verdict.${result.verdict}`)}</span>
        {result.status > 0 && <span className={styles.quiet}>HTTP {result.status}</span>}
        {result.fault && <code>{result.fault}</code>}
        {result.models !== null && <span className={styles.quiet}>{t("test.lists", { count: result.models })}</span>}
        <span className={styles.quiet}>{format(result.duration_ms)}</span>
      </div>
      <div className={styles.phases} role="img" aria-label={t("test.phases")}>
        {measured.map((one) => (
          <span key={one.phase} style={{ flexGrow: Math.max(one.ms * 1000, 1), flexBasis: 0, background: tint(one) }} />
        ))}
      </div>
      <dl className={styles.legend}>
        {measured.map((one) => (
          <div key={one.phase}>
            <dt>
              <i style={{ background: tint(one) }} />
              {t(`phase.${one.phase}`)}
            </dt>
            <dd>{format(one.ms)}</dd>
          </div>
        ))}
      </dl>
      {result.phases.address && <div className={styles.sub}>{t("test.address", { address: result.phases.address })}</div>}
    </div>
  );
}
