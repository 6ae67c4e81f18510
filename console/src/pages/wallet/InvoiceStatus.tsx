import { useTranslation } from "react-i18next";
import type { components } from "@/api/schema";
import { StatusBadge, type Tone } from "@/ui/StatusBadge";

type Status = components["schemas"]["InvoiceFields"]["status"];

const TONES: Record<Status, Tone> = { open: "warn", issued: "good", declined: "bad" };

export function InvoiceStatus({ status }: { status: Status }) {
  const { t } = useTranslation("wallet");
  return <StatusBadge tone={TONES[status]}>{t(`invoice_status.${status}`)}</StatusBadge>;
}
