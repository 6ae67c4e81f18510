import { Skeleton } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Chart } from "@/ui/Chart";
import { formatDuration } from "@/ui/Count";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import { formatTime } from "@/ui/Time";
import { useMinutes } from "./data";
import styles from "./Overview.module.css";

const HEIGHT = 120;

/** The last hour by minute: calls with their errors, and how soon streams began. */
export function Live() {
  const { t, i18n } = useTranslation("overview");
  const minutes = useMinutes();
  if (minutes.error && !minutes.data) return <ErrorNote error={minutes.error} onRetry={() => void minutes.refetch()} />;
  if (!minutes.data) return <Skeleton height={HEIGHT} />;
  const { starts_ms, requests, errors, ttft_p50_ms, ttft_p95_ms } = minutes.data;
  if (!requests.some((count) => count > 0)) return <EmptyState title={t("quiet")} />;
  const whole = new Intl.NumberFormat(i18n.language, { notation: "compact", maximumFractionDigits: 1 });
  return (
    <div className={styles.stack}>
      <div>
        <h3>{t("calls_by_minute")}</h3>
        <Chart
          label={t("calls_by_minute")}
          times={starts_ms}
          height={HEIGHT}
          series={[
            { label: t("failed"), values: errors, colour: "--bad" },
            { label: t("well"), values: requests.map((count, at) => count - errors[at]!), colour: "--series-2" },
          ]}
          format={(value) => whole.format(value)}
          formatTime={(ms) => formatTime(ms, i18n.language)}
        />
      </div>
      <div>
        <h3>{t("first_token")}</h3>
        <Chart
          label={t("first_token")}
          kind="lines"
          times={starts_ms}
          height={HEIGHT}
          series={[
            { label: t("half"), values: ttft_p50_ms },
            { label: t("nineteen"), values: ttft_p95_ms, colour: "--series-3" },
          ]}
          format={(value) => formatDuration(value, i18n.language)}
          formatTime={(ms) => formatTime(ms, i18n.language)}
        />
      </div>
    </div>
  );
}
