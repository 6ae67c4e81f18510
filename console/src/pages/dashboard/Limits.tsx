import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import type { components } from "@/api/schema";
import { Section } from "@/ui/Page";
import { Loaded } from "@/ui/Loaded";
import { LimitMeter } from "./LimitMeter";
import styles from "./Dashboard.module.css";

const REFRESH_MS = 15_000;

/** How much of each limit is used, and when some of it frees. */
export function Limits() {
  const { t } = useTranslation("dashboard");
  const query = useQuery({
    queryKey: ["dashboard-limits"],
    queryFn: () => take(api.GET("/api/v1/dashboard/limits")),
    refetchInterval: REFRESH_MS,
  });
  const isBounded = query.data?.items.length !== 0;
  return (
    <Section title={t("limits")} lead={query.data && t(isBounded ? "limits_lead" : "no_limits")}>
      <Loaded query={query}>{({ items }) => <LimitMeters items={items} />}</Loaded>
    </Section>
  );
}

export function LimitMeters({ items }: { items: components["schemas"]["LimitStanding"][] }) {
  return (
    <div className={styles.limits}>
      {items.map((one) => (
        <LimitMeter key={`${one.subject} ${one.key_id} ${one.measure} ${one.window_ms} ${one.families.join("+")}`} of={one} />
      ))}
    </div>
  );
}
