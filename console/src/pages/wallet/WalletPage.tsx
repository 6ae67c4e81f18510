import { Tabs } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { useSearchParams } from "react-router";
import { api, take } from "@/api/client";
import type { components } from "@/api/schema";
import { mayUse, useMember } from "@/api/session";
import { ErrorNote } from "@/ui/ErrorNote";
import { Money } from "@/ui/Money";
import { Page } from "@/ui/Page";
import { PageSkeleton } from "@/ui/PageSkeleton";
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

const TABS = ["transfers", "orders", "statements", "invoices"] as const;

/** What the member has, how to get more of it, and where it came from. */
export default function WalletPage() {
  const { data: wallet, error, refetch } = useQuery({
    queryKey: ["wallet"],
    queryFn: () => take(api.GET("/api/v1/wallet")),
  });
  if (error) return <ErrorNote error={error} onRetry={() => void refetch()} />;
  if (!wallet) return <PageSkeleton />;
  return <WalletView wallet={wallet} />;
}

function WalletView({ wallet }: { wallet: Wallet }) {
  const { t } = useTranslation("wallet");
  const member = useMember();
  const mayPay = mayUse(member, "own:write");
  const moves = wallet.topup_plan && wallet.topup_plan !== wallet.plan;
  return (
    <Page title={t("title")}>
      <Stats>
        <Stat label={t("balance")} value={<Money value={wallet.balance} />} note={t("balance_note")} />
        <Stat label={t("plan")} value={wallet.plan} note={moves && t("plan_note", { plan: wallet.topup_plan })} />
        <LowBalance wallet={wallet} mayChange={mayPay} />
      </Stats>
      {mayPay && (
        <div className={styles.ways}>
          <TopUp wallet={wallet} />
          <Redeem />
        </div>
      )}
      <Parts wallet={wallet} />
    </Page>
  );
}

function Parts({ wallet }: { wallet: Wallet }) {
  const { t } = useTranslation("wallet");
  const [params, setParams] = useSearchParams();
  const chosen = TABS.find((tab) => tab === params.get("tab")) ?? "transfers";
  return (
    <Tabs value={chosen} onChange={(tab) => setParams(tab ? { tab } : {}, { replace: true })} keepMounted={false}>
      <Tabs.List mb="md">
        {TABS.map((tab) => (
          <Tabs.Tab key={tab} value={tab}>
            {t(`tab.${tab}`)}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      <Tabs.Panel value="transfers">
        <Transfers />
      </Tabs.Panel>
      <Tabs.Panel value="orders">
        <Orders />
      </Tabs.Panel>
      <Tabs.Panel value="statements">
        <Statements sinceMs={wallet.created_ms} />
      </Tabs.Panel>
      <Tabs.Panel value="invoices">
        <Invoices wallet={wallet} />
      </Tabs.Panel>
    </Tabs>
  );
}
