import { useTranslation } from "react-i18next";
import { useMember } from "@/api/session";
import { useHash } from "@/pages/entry/hash";
import { useWaysIn } from "@/pages/entry/waysIn";
import { LoadedPage } from "@/ui/Loaded";
import { Page } from "@/ui/Page";
import { DeletionSection } from "./DeletionSection";
import { EmailSection } from "./EmailSection";
import { IdentitiesSection } from "./IdentitiesSection";
import { PasskeysSection } from "./PasskeysSection";
import { PasswordSection } from "./PasswordSection";
import { PersonSection } from "./PersonSection";
import { useProfile } from "./profile";
import { ReferralSection } from "./ReferralSection";
import { SecondFactorSection } from "./SecondFactorSection";
import { SessionsSection } from "./SessionsSection";
import { TokensSection } from "./TokensSection";

export default function ProfilePage() {
  const { t } = useTranslation("profile");
  const told = useHash();
  const profile = useProfile();
  const ways = useWaysIn();
  const { is_view_only: isViewOnly } = useMember();
  return (
    <LoadedPage title={t("title")} query={profile}>
      {(mine) => (
        <Page title={t("title")} lead={mine.email}>
          <PersonSection profile={mine} />
          {!isViewOnly && (
            <>
              <EmailSection profile={mine} />
              <PasswordSection profile={mine} />
              <SecondFactorSection profile={mine} />
              {ways.data?.passkeys && <PasskeysSection />}
              {ways.data && ways.data.elsewhere.length > 0 && (
                <IdentitiesSection providers={ways.data.elsewhere} failed={told.get("error")} />
              )}
              <SessionsSection />
              <TokensSection />
            </>
          )}
          {mine.referral_code && <ReferralSection code={mine.referral_code} />}
          {!isViewOnly && <DeletionSection profile={mine} />}
        </Page>
      )}
    </LoadedPage>
  );
}
