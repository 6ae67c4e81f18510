import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { api, take } from "@/api/client";
import { mayUse, type Session } from "@/api/session";
import styles from "./Overview.module.css";

const REFETCH_MS = 60_000;
const COUNTED = 100; // more than that is "99+"

/** What waits for somebody: unpaid orders, open tickets. */
export function Waiting({ session }: { session: Session }) {
  const { t } = useTranslation("overview");
  const orders = useQuery({
    queryKey: ["waiting", "orders"],
    queryFn: () => take(api.GET("/api/v1/orders", { params: { query: { status: "open", limit: COUNTED } } })),
    enabled: mayUse(session, "money:read"),
    refetchInterval: REFETCH_MS,
  });
  const tickets = useQuery({
    queryKey: ["waiting", "tickets"],
    queryFn: () => take(api.GET("/api/v1/admin/tickets", { params: { query: { status: "open", limit: COUNTED } } })),
    enabled: mayUse(session, "tickets:answer"),
    refetchInterval: REFETCH_MS,
  });
  const shown = (count: number) => (count >= COUNTED ? `${COUNTED - 1}+` : String(count));
  return (
    <div className={styles.waiting}>
      {orders.data && (
        <Link to="/admin/orders">
          <b>{shown(orders.data.items.length)}</b> {t("open_orders", { count: orders.data.items.length })}
        </Link>
      )}
      {tickets.data && (
        <Link to="/admin/tickets">
          <b>{shown(tickets.data.items.length)}</b> {t("open_tickets", { count: tickets.data.items.length })}
        </Link>
      )}
    </div>
  );
}
