import { useTranslation } from "react-i18next";
import { formatDuration } from "@/ui/Count";
import type { CallDetail, SiteCallDetail } from "./types";
import styles from "./Usage.module.css";

/** Where the time went: tries that brought nothing, waiting for the answer, the answer itself. */
export function TimeLine({ call }: { call: CallDetail | SiteCallDetail }) {
  const { t, i18n } = useTranslation("usage");
  const failed = call.tries.slice(0, -1);
  const lost = Math.min(failed.reduce((sum, one) => sum + one.duration_ms, 0), call.duration_ms);
  const began = call.ttft_ms > 0 ? Math.max(call.ttft_ms, lost) : call.duration_ms;
  const parts = [
    { kind: "lost", ms: lost },
    { kind: "waited", ms: began - lost },
    { kind: "answered", ms: call.duration_ms - began },
  ].filter((part) => part.ms > 0);
  const label = parts.map((part) => `${t(`part.${part.kind}`)} ${formatDuration(part.ms, i18n.language)}`).join(", ");
  return (
    <>
      <div className={styles.line} role="img" aria-label={label}>
        {parts.map((part) => (
          <span key={part.kind} data-part={part.kind} style={{ flexGrow: part.ms }} />
        ))}
      </div>
      <ul className={styles.legend}>
        {parts.map((part) => (
          <li key={part.kind}>
            <i data-part={part.kind} />
            {t(`part.${part.kind}`)} <b>{formatDuration(part.ms, i18n.language)}</b>
          </li>
        ))}
      </ul>
      {(call.tries.length > 1 || call.tries.some((one) => "channel" in one)) && (
        <ol className={styles.tries}>
          {call.tries.map((one, at) => (
            <li key={at}>
              <span>
                {"channel" in one ? `${one.channel}${one.credential ? ` · ${one.credential}` : ""}` : t("try", { number: at + 1 })}
              </span>
              <span className={styles.soft}>
                {[one.http_status || "", one.fault, "verdict" in one ? one.verdict : ""].filter(Boolean).join(" · ") || "–"}
              </span>
              <span>{formatDuration(one.duration_ms, i18n.language)}</span>
            </li>
          ))}
        </ol>
      )}
    </>
  );
}
