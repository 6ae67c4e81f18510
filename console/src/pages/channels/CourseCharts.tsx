import { useTranslation } from "react-i18next";
import { Chart } from "@/ui/Chart";
import { formatDuration } from "@/ui/Count";
import { EmptyState } from "@/ui/EmptyState";
import styles from "./Channels.module.css";
import type { Course, Courses } from "./data";

const HEIGHT = 180;

/** Calls with their failures, and the time to the first byte, side by side. */
export function CourseCharts({ courses, course }: { courses: Courses | undefined; course: Course | undefined }) {
  const { t, i18n } = useTranslation("channels");
  if (!courses || !course) return <EmptyState title={t("course_none")} />;
  const known = (values: number[]) => values.map((value) => value || null);
  const whole = new Intl.NumberFormat(i18n.language, { maximumFractionDigits: 0 });
  return (
    <div className={styles.charts}>
      <div>
        <h3>{t(courses.span === "hours" ? "tries" : "calls")}</h3>
        <Chart
          label={t("chart_failures")}
          times={courses.starts_ms}
          height={HEIGHT}
          series={[
            { label: t("failed"), values: course.failures, colour: "--bad" },
            { label: t("answered"), values: course.calls.map((value, at) => value - course.failures[at]!), colour: "--series-2" },
          ]}
          format={(value) => whole.format(value)}
        />
      </div>
      <div>
        <h3>{t("column.ttft")}</h3>
        <Chart
          label={t("chart_ttft")}
          times={courses.starts_ms}
          height={HEIGHT}
          kind="lines"
          series={[
            { label: t("median"), values: known(course.ttft_p50_ms) },
            { label: t("slow"), values: known(course.ttft_p95_ms), colour: "--series-3" },
          ]}
          format={(value) => formatDuration(value, i18n.language)}
        />
      </div>
    </div>
  );
}
