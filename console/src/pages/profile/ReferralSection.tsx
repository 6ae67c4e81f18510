import { useTranslation } from "react-i18next";
import { CopyLine } from "@/ui/Code";
import { Section } from "@/ui/Page";

export function ReferralSection({ code }: { code: string }) {
  const { t } = useTranslation("profile");
  const link = `${location.origin}/register?code=${code}`;
  return (
    <Section title={t("referral")} lead={t("referral_lead")}>
      <CopyLine value={link} label={t("referral_link")} />
    </Section>
  );
}
