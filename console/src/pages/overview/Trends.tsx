import { useTranslation } from "react-i18next";
import { formatStep } from "@/pages/usage/SumsAndChart";
import { Chart } from "@/ui/Chart";
import { useCourse, type Span } from "./data";
import styles from "./Overview.module.css";

const HEIGHT = 150;

/** Calls and new members over the time. */
export function Trends({ span }: { span: Span }) {
  const { t, i18n } = useTranslation("overview");
  const { data } = useCourse(span); // whose error stands above, at the earnings
  if (!data) return null;
  const { starts_ms: times, requests, errors, members } = data;
  const whole = new Intl.NumberFormat(i18n.language, { notation: "compact", maximumFractionDigits: 1 });
  const shared = {
    times,
    height: HEIGHT,
    format: (value: number) => whole.format(value),
    formatTime: (ms: number) => formatStep(ms, span === "day" ? "hour" : "day", i18n.language),
  };
  return (
    <div className={styles.pair}>
      <div>
        <h3>{t("calls")}</h3>
        <Chart
          label={t("calls")}
          series={[
            { label: t("failed"), values: errors, colour: "--bad" },
            { label: t("well"), values: requests.map((count, at) => count - errors[at]!), colour: "--series-2" },
          ]}
          {...shared}
        />
      </div>
      <div>
        <h3>{t("new_members")}</h3>
        <Chart label={t("new_members")} series={[{ label: t("new_members"), values: members, colour: "--series-4" }]} {...shared} />
      </div>
    </div>
  );
}
