import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import type { components } from "@/api/schema";
import { mayUse, useMember } from "@/api/session";
import { AddressTabs } from "@/ui/AddressTabs";
import { LoadedPage } from "@/ui/Loaded";
import { Money } from "@/ui/Money";
import { Page } from "@/ui/Page";
import { Stat, Stats } from "@/ui/Stat";
import { Invoices } from "./Invoices";
import { LowBalance } from "./LowBalance";
import { Orders } from "./Orders";
import { Redeem } from "./Redeem";
import { Statements } from "./Statements";
import { TopUp } from "./TopUp";
import { Transfers } from "./Transfers";
import styles from "./Wallet.module.css";

export type Wallet = components["schemas"]["WalletAnswer"];

/** What the member has, how to get more of it, and where it came from. */
export default function WalletPage() {
  const { t } = useTranslation("wallet");
  const query = useQuery({ queryKey: ["wallet"], queryFn: () => take(api.GET("/api/v1/wallet")) });
  return (
    <LoadedPage title={t("title")} query={query}>
      {(wallet) => <WalletView wallet={wallet} />}
    </LoadedPage>
  );
}

function WalletView({ wallet }: { wallet: Wallet }) {
  const { t } = useTranslation("wallet");
  const member = useMember();
  const mayPay = mayUse(member, "own:write");
  const moves = wallet.topup_plan && wallet.topup_plan !== wallet.plan;
  return (
    <Page title={t("title")}>
      <Stats>
        <Stat label={t("balance")} value={<Money value={wallet.balance} isBalance />} note={t("balance_note")} />
        <Stat label={t("plan")} value={wallet.plan} note={moves && t("plan_note", { plan: wallet.topup_plan })} />
        <LowBalance wallet={wallet} mayChange={mayPay} />
      </Stats>
      {mayPay && (
        <div className={styles.ways}>
          <TopUp wallet={wallet} />
          <Redeem />
        </div>
      )}
      <AddressTabs
        of={[
          ["transfers", t("tab.transfers"), <Transfers />],
          ["orders", t("tab.orders"), <Orders />],
          ["statements", t("tab.statements"), <Statements sinceMs={wallet.created_ms} />],
          ["invoices", t("tab.invoices"), <Invoices wallet={wallet} />],
        ]}
      />
    </Page>
  );
}
