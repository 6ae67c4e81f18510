import { Skeleton } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { formatStep, placesOf } from "@/pages/usage/SumsAndChart";
import { Chart } from "@/ui/Chart";
import { ErrorNote } from "@/ui/ErrorNote";
import { Money, useMoney } from "@/ui/Money";
import { decimalOf, nanosOf } from "@/ui/money";
import { marginOf, useCourse, type Course, type Span } from "./data";
import styles from "./Overview.module.css";

const HEIGHT = 330;

/** What came of it: revenue as cost and margin. */
export function Earnings({ span }: { span: Span }) {
  const { t, i18n } = useTranslation("overview");
  const money = useMoney();
  const course = useCourse(span);
  if (course.error && !course.data) return <ErrorNote error={course.error} onRetry={() => void course.refetch()} />;
  if (!course.data) return <Skeleton height={HEIGHT} />;
  const { starts_ms: times, total } = course.data;
  const when = (ms: number) => formatStep(ms, span === "day" ? "hour" : "day", i18n.language);
  const { covered, margin, loss } = partsOf(course.data);
  const places = placesOf(Math.max(...course.data.charge.map(Number), ...course.data.cost.map(Number)));
  const share = marginOf(total);
  return (
    <>
      <dl className={styles.figures}>
        <Figure label={t("revenue")}>
          <Money value={total.charge} />
        </Figure>
        <Figure label={t("cost")} colour="--series-6">
          <Money value={total.cost} />
        </Figure>
        <Figure label={t("margin")} colour="--series-1">
          <Money value={decimalOf(nanosOf(total.charge) - nanosOf(total.cost))} />
          {share !== null && ` · ${new Intl.NumberFormat(i18n.language, { style: "percent", maximumFractionDigits: 1 }).format(share)}`}
        </Figure>
      </dl>
      <Chart
        label={t("chart_revenue")}
        times={times}
        height={HEIGHT}
        series={[
          { label: t("cost"), values: covered, colour: "--series-6" },
          { label: t("margin"), values: margin, colour: "--series-1" },
          ...(loss.some((value) => value > 0) ? [{ label: t("loss"), values: loss, colour: "--bad" }] : []),
        ]}
        format={(value) => money(value.toFixed(9), places)}
        formatTime={when}
      />
    </>
  );
}

function Figure({ label, colour, children }: { label: string; colour?: string; children: React.ReactNode }) {
  return (
    <div>
      <dt>
        {colour && <i style={{ background: `var(${colour})` }} />}
        {label}
      </dt>
      <dd>{children}</dd>
    </div>
  );
}

/** Each step's revenue as the cost that it covers and what is left; where cost is above it, the loss. */
function partsOf({ charge, cost }: Course) {
  const pairs = charge.map((amount, at) => [Number(amount), Number(cost[at])] as const);
  return {
    covered: pairs.map(([revenue, spent]) => Math.min(revenue, spent)),
    margin: pairs.map(([revenue, spent]) => Math.max(0, revenue - spent)),
    loss: pairs.map(([revenue, spent]) => Math.max(0, spent - revenue)),
  };
}
