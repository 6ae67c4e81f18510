import { Button } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { useList } from "@/api/lists";
import type { components } from "@/api/schema";
import { mayUse, useMember } from "@/api/session";
import { Confirm } from "@/ui/Confirm";
import { DataTable, type Column } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { Money } from "@/ui/Money";
import { Page, Section } from "@/ui/Page";
import { StatusBadge } from "@/ui/StatusBadge";
import { Time } from "@/ui/Time";
import { FindCode } from "./FindCode";
import { MakeCodes } from "./MakeCodes";
import styles from "./Money.module.css";

type Batch = components["schemas"]["BatchAnswer"];

/** Batches of redemption codes, and what became of a single code. */
export default function CodesPage() {
  const { t } = useTranslation("money");
  const mayMake = mayUse(useMember(), "money:write");
  const [isMaking, making] = useDisclosure();
  return (
    <Page title={t("codes")} lead={t("codes_lead")} actions={mayMake && <Button onClick={making.open}>{t("make_codes")}</Button>}>
      <Batches mayWithdraw={mayMake} />
      {mayMake && (
        <Section title={t("find_code")} lead={t("find_lead")}>
          <FindCode />
        </Section>
      )}
      {isMaking && <MakeCodes onClose={making.close} />}
    </Page>
  );
}

function Batches({ mayWithdraw }: { mayWithdraw: boolean }) {
  const { t } = useTranslation("money");
  const client = useQueryClient();
  const [chosen, setChosen] = useState<Batch | null>(null);
  const list = useList(["codes"], (after) => take(api.GET("/api/v1/codes", { params: { query: { after } } })));
  const withdraw = async () => {
    if (!chosen) return;
    await take(api.POST("/api/v1/codes/{batch_id}/withdraw", { params: { path: { batch_id: chosen.id } } }));
    await client.invalidateQueries({ queryKey: ["codes"] });
  };
  const columns = useColumns(mayWithdraw ? setChosen : null);
  return (
    <>
      <DataTable
        label={t("codes")}
        list={list}
        columns={columns}
        rowKey={(one) => one.id}
        empty={<EmptyState title={t("no_codes")}>{t("no_codes_text")}</EmptyState>}
      />
      <Confirm
        title={t("withdraw_title")}
        action={t("withdraw_do")}
        isOpen={chosen !== null}
        onClose={() => setChosen(null)}
        onConfirm={withdraw}
      >
        {chosen && t("withdraw_text", { count: chosen.count - chosen.redeemed, name: chosen.name })}
      </Confirm>
    </>
  );
}

export function BatchState({ batch }: { batch: Batch }) {
  const { t } = useTranslation("money");
  if (batch.withdrawn_ms !== null) return <StatusBadge tone="bad">{t("withdrawn")}</StatusBadge>;
  if (batch.redeemed === batch.count) return <StatusBadge tone="quiet">{t("used_up")}</StatusBadge>;
  if (batch.expires_ms !== null && batch.expires_ms <= Date.now()) return <StatusBadge tone="quiet">{t("expired")}</StatusBadge>;
  return <StatusBadge tone="good">{t("valid")}</StatusBadge>;
}

function useColumns(withdraw: ((batch: Batch) => void) | null): Column<Batch>[] {
  const { t } = useTranslation("money");
  const isLive = (one: Batch) =>
    one.withdrawn_ms === null && one.redeemed < one.count && (one.expires_ms === null || one.expires_ms > Date.now());
  return [
    { key: "name", title: t("batch"), isLead: true, render: (one) => one.name },
    { key: "kind", title: t("kind_title"), render: (one) => t(`code_kind.${one.kind}`) },
    { key: "state", title: t("status"), render: (one) => <BatchState batch={one} /> },
    { key: "made", title: t("made"), render: (one) => <Time ms={one.created_ms} look="date" /> },
    { key: "expires", title: t("expires"), render: (one) => (one.expires_ms === null ? t("never") : <Time ms={one.expires_ms} look="date" />) },
    {
      key: "per",
      title: t("per_account"),
      align: "right",
      render: (one) => (one.per_account_max === null ? t("any_number") : one.per_account_max),
    },
    {
      key: "redeemed",
      title: t("redeemed"),
      align: "right",
      render: (one) => (
        <span>
          {t("of", { used: one.redeemed, count: one.count })}
          <span className={styles.bar} aria-hidden="true">
            <span style={{ width: `${(100 * one.redeemed) / one.count}%` }} />
          </span>
        </span>
      ),
    },
    { key: "amount", title: t("each"), align: "right", render: (one) => <Money value={one.amount} /> },
    {
      key: "actions",
      title: "",
      align: "right",
      render: (one) =>
        withdraw &&
        isLive(one) && (
          <Button size="compact-sm" variant="default" onClick={() => withdraw(one)}>
            {t("withdraw")}
          </Button>
        ),
    },
  ];
}
