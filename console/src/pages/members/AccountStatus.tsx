import { useTranslation } from "react-i18next";
import type { components } from "@/api/schema";
import { StatusBadge } from "@/ui/StatusBadge";

type KeyStatus = components["schemas"]["KeyOfMember"]["status"];

const TONES = { active: "good", frozen: "bad", revoked: "quiet" } as const;

/** How an account or a key stands. */
export function AccountStatus({ status }: { status: KeyStatus }) {
  const { t } = useTranslation("members");
  return <StatusBadge tone={TONES[status]}>{t(`state.${status}`)}</StatusBadge>;
}
