import { useTranslation } from "react-i18next";
import type { components } from "@/api/schema";
import { StatusBadge, type Tone } from "@/ui/StatusBadge";

export type Status = components["schemas"]["TicketAnswer"]["status"];

/** Whose turn it is decides the tone: what one has to do oneself is the one that calls. */
const TONES: Record<"member" | "desk", Record<Status, Tone>> = {
  member: { open: "quiet", answered: "good", closed: "quiet" },
  desk: { open: "warn", answered: "good", closed: "quiet" },
};

export function TicketStatus({ status, side }: { status: Status; side: "member" | "desk" }) {
  const { t } = useTranslation("desk");
  return <StatusBadge tone={TONES[side][status]}>{t(side === "member" ? `member_status.${status}` : `desk_status.${status}`)}</StatusBadge>;
}
