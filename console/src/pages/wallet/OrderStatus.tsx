import { useTranslation } from "react-i18next";
import type { components } from "@/api/schema";
import { StatusBadge, type Tone } from "@/ui/StatusBadge";

type Status = components["schemas"]["OrderFields"]["status"];

const TONES: Record<Status, Tone> = { open: "warn", paid: "good", expired: "quiet", cancelled: "quiet" };

export function OrderStatus({ status }: { status: Status }) {
  const { t } = useTranslation("wallet");
  return <StatusBadge tone={TONES[status]}>{t(`order_status.${status}`)}</StatusBadge>;
}
