import type { TFunction } from "i18next";

type Say = (t: TFunction, found: RegExpExecArray) => string;

// What routing/health.py and relay/watch.py say of themselves, in English.
const REASONS: [RegExp, Say][] = [
  [/^overloaded, asks for (\S+) s$/, (t, [, seconds]) => t("channels:why.overloaded", { seconds })],
  [
    /^(\d+) failures in a row, the last: (\w+)$/,
    (t, [, failures, verdict]) => t("channels:why.in_a_row", { failures, verdict: t(`channels:verdict.${verdict}`) }),
  ],
  [
    /^(\d+) of (\d+) calls in (\S+) s failed, the last: (\w+)$/,
    (t, [, failed, calls, seconds, verdict]) =>
      t("channels:why.error_rate", { failed, calls, seconds, verdict: t(`channels:verdict.${verdict}`) }),
  ],
  [/^(\d+) refusals by the rate limit in a row$/, (t, [, refusals]) => t("channels:why.limited", { refusals })],
  [/^tried again: (\w+)$/, (t, [, verdict]) => t("channels:why.probe_failed", { verdict: t(`channels:verdict.${verdict}`) })],
  [/^the cool-down is over$/, (t) => t("channels:why.cooled")],
  [/^no relapse in (\S+) s$/, (t, [, seconds]) => t("channels:why.ramped", { seconds })],
  [/^a call was answered$/, (t) => t("channels:why.answered")],
  [/^a probe was answered$/, (t) => t("channels:why.probed")],
  [/^by hand$/, (t) => t("channels:why.by_hand")],
  [/^a new one$/, (t) => t("channels:why.new_secret")],
  [/^the upstream does not have this model/, (t) => t("channels:why.model_missing")],
  [
    /^(ok|caller|rate_limited|overloaded|error|timeout|unreachable|malformed|model_missing|credential|quota|full)$/,
    (t, [verdict]) => t(`channels:verdict.${verdict}`),
  ],
];

/** The relay's reason in the reader's language; what somebody typed stays as it is. */
export function reasonOf(reason: string, t: TFunction): string {
  for (const [pattern, say] of REASONS) {
    const found = pattern.exec(reason);
    if (found) return say(t, found);
  }
  return reason;
}
