import { Button } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { useList } from "@/api/lists";
import type { components } from "@/api/schema";
import { Confirm } from "@/ui/Confirm";
import { DataTable, type Column } from "@/ui/DataTable";
import { MemberLink } from "@/ui/MemberLink";
import { Money } from "@/ui/Money";
import { sayFailed } from "@/ui/notices";
import { Time } from "@/ui/Time";
import { AccountStatus } from "./AccountStatus";
import styles from "./Members.module.css";

type Key = components["schemas"]["KeyOfMember"];
type Status = Key["status"];

interface Props {
  filter: { search?: string; status?: Status; account_id?: string };
  mayChange: boolean;
  empty: string;
  isOneMembers?: boolean; // whose they are needs no column
}

/** Keys as an operator sees them. */
export function KeyTable({ filter, mayChange, empty, isOneMembers }: Props) {
  const { t } = useTranslation("members");
  const client = useQueryClient();
  const [revoked, setRevoked] = useState<Key | null>(null);
  const list = useList(["member-keys", filter], (after) =>
    take(api.GET("/api/v1/admin/keys", { params: { query: { ...filter, after } } })),
  );
  const set = async (key: Key, status: Status) => {
    await take(api.PATCH("/api/v1/admin/keys/{key_id}", { params: { path: { key_id: key.id } }, body: { status } }));
    await client.invalidateQueries({ queryKey: ["member-keys"] });
  };
  const change = useMutation({
    mutationFn: (wanted: { key: Key; status: Status }) => set(wanted.key, wanted.status),
    onError: sayFailed,
  });
  const columns: Column<Key>[] = [
    {
      key: "hint",
      title: t("key"),
      isLead: true,
      render: (one) => (
        <div>
          <span className={styles.hint}>{one.hint}</span>
          {one.name && <div className={styles.under}>{one.name}</div>}
        </div>
      ),
    },
    { key: "owner", title: t("member"), render: (one) => <Owner of={one} /> },
    { key: "status", title: t("status"), render: (one) => <AccountStatus status={one.status} /> },
    { key: "spent", title: t("spent"), align: "right", render: (one) => <Money value={one.spent} /> },
    { key: "budget", title: t("budget"), align: "right", render: (one) => (one.budget === null ? "" : <Money value={one.budget} />) },
    { key: "created", title: t("made"), align: "right", render: (one) => <Time ms={one.created_ms} look="date" /> },
    {
      key: "buttons",
      title: "",
      align: "right",
      render: (one) =>
        mayChange &&
        one.status !== "revoked" && (
          <>
            <Button
              size="compact-sm"
              variant="default"
              loading={change.isPending && change.variables.key.id === one.id}
              onClick={() => change.mutate({ key: one, status: one.status === "frozen" ? "active" : "frozen" })}
            >
              {t(one.status === "frozen" ? "unfreeze" : "freeze")}
            </Button>
            <Button size="compact-sm" variant="subtle" color="red" onClick={() => setRevoked(one)}>
              {t("revoke")}
            </Button>
          </>
        ),
    },
  ];
  return (
    <>
      <DataTable
        label={t("keys")}
        list={list}
        columns={columns.filter((one) => !(isOneMembers && one.key === "owner"))}
        rowKey={(one) => one.id}
        empty={empty}
      />
      <Confirm
        title={t("revoke_question", { hint: revoked?.hint })}
        action={t("revoke")}
        isOpen={revoked !== null}
        onClose={() => setRevoked(null)}
        onConfirm={() => set(revoked!, "revoked")}
      >
        {t("revoke_text")}
      </Confirm>
    </>
  );
}

function Owner({ of }: { of: Key }) {
  return (
    <span className={styles.owner}>
      <MemberLink id={of.account_id} email={of.email} />
      {of.account_status === "frozen" && <AccountStatus status="frozen" />}
    </span>
  );
}
