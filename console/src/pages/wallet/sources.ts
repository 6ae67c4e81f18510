import { useTranslation } from "react-i18next";

interface Sourced {
  source: string;
  kind: string;
  reason: string;
}

/** What a transfer is, in words: "Code …9XQ2", "Top-up", "Refund". */
export function useSourceText(): (one: Sourced) => string {
  const { t } = useTranslation("wallet");
  return (one) => {
    if (one.source === "code") return t("source.code", { hint: one.reason.match(/…\w+/)?.[0] ?? "" });
    if (one.source === "order") return t("source.order", { id: one.reason.replace(/^order /, "") });
    if (one.source === "referral") return t("source.referral");
    return t(`kind.${one.kind}`);
  };
}
