import { Button, Select } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { useList } from "@/api/lists";
import type { components } from "@/api/schema";
import { mayUse, useMember } from "@/api/session";
import { useAddress } from "@/ui/address";
import { DataTable, type Column } from "@/ui/DataTable";
import { MemberLink } from "@/ui/MemberLink";
import { Money } from "@/ui/Money";
import { Page } from "@/ui/Page";
import { Time } from "@/ui/Time";
import { AccountFilter } from "./AccountFilter";
import { CreditDialog } from "./CreditDialog";
import styles from "./Money.module.css";

type Transfer = components["schemas"]["TransferAnswer"];

const KINDS = ["topup", "promotion", "correction", "refund"] as const;

/** All money that came in and went out, and the way to move some by hand. */
export default function TransfersPage() {
  const { t } = useTranslation("money");
  const { text, set } = useAddress();
  const [isMoving, moving] = useDisclosure();
  const account = text("account");
  const kind = KINDS.find((one) => one === text("kind"));
  const list = useList(["transfers", account, kind], (after) =>
    take(api.GET("/api/v1/transfers", { params: { query: { account, kind, after } } })),
  );
  const mayMove = mayUse(useMember(), "money:write");
  return (
    <Page title={t("transfers")} lead={t("transfers_lead")} actions={mayMove && <Button onClick={moving.open}>{t("move")}</Button>}>
      <div className={styles.filters}>
        <AccountFilter value={account} onChange={(value) => set({ account: value })} />
        <Select
          aria-label={t("kind_title")}
          placeholder={t("all_kinds")}
          data={KINDS.map((one) => ({ value: one, label: t(`kind.${one}`) }))}
          value={kind ?? null}
          onChange={(value) => set({ kind: value })}
          clearable
          clearButtonProps={{ "aria-label": t("clear") }}
          w={180}
        />
      </div>
      <DataTable label={t("transfers")} list={list} columns={useColumns()} rowKey={(one) => one.id} empty={t("no_transfers")} />
      {isMoving && <CreditDialog account={account} onClose={moving.close} />}
    </Page>
  );
}

function useColumns(): Column<Transfer>[] {
  const { t } = useTranslation("money");
  return [
    { key: "email", title: t("member"), isLead: true, render: (one) => <MemberLink id={one.account_id} email={one.email} /> },
    { key: "kind", title: t("kind_title"), render: (one) => t(`kind.${one.kind}`) },
    { key: "reason", title: t("reason"), render: (one) => <span className={styles.soft}>{one.reason}</span> },
    { key: "source", title: t("from"), render: (one) => t(`source.${one.source}`) },
    { key: "time", title: t("common:time"), render: (one) => <Time ms={one.created_ms} /> },
    { key: "amount", title: t("amount"), align: "right", render: (one) => <Money value={one.amount} isSigned /> },
  ];
}
