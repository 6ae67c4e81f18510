import { Group } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Link, useNavigate, useSearchParams } from "react-router";
import { useQuery } from "@tanstack/react-query";
import { api, take } from "@/api/client";
import { useList } from "@/api/lists";
import type { components } from "@/api/schema";
import { Count } from "@/ui/Count";
import { DataTable, type Column } from "@/ui/DataTable";
import { Money } from "@/ui/Money";
import { Page } from "@/ui/Page";
import { Time } from "@/ui/Time";
import { AccountStatus } from "./AccountStatus";
import { Filter } from "./Filter";
import styles from "./Members.module.css";
import { Search } from "./Search";

type Member = components["schemas"]["MemberAnswer"];

export const ROLES = ["member", "support", "operator", "owner"] as const;
const STATES = ["active", "frozen"] as const;

/** All accounts, the newest first. */
export default function MembersPage() {
  const { t } = useTranslation("members");
  const navigate = useNavigate();
  const [params] = useSearchParams();
  const plans = usePlans();
  const search = params.get("q") ?? "";
  const plan = params.get("plan") ?? "";
  const status = STATES.find((one) => one === params.get("status"));
  const role = ROLES.find((one) => one === params.get("role"));
  const list = useList(["members", search, plan, status, role], (after) =>
    take(api.GET("/api/v1/admin/members", { params: { query: { search, plan, status, role, after } } })),
  );
  return (
    <Page title={t("members")}>
      <Group gap="md" align="flex-end">
        <Search label={t("search_members")} />
        <Filter name="plan" label={t("plan")} data={plans.map((name) => ({ value: name, label: name }))} />
        <Filter name="status" label={t("status")} data={STATES.map((one) => ({ value: one, label: t(`state.${one}`) }))} />
        <Filter name="role" label={t("role")} data={ROLES.map((one) => ({ value: one, label: t(`roles.${one}`) }))} />
      </Group>
      <DataTable
        label={t("members")}
        list={list}
        columns={useColumns()}
        rowKey={(one) => one.id}
        onRow={(one) => void navigate(`/admin/members/${one.id}`)}
        empty={t("nobody_found")}
      />
    </Page>
  );
}

/** The names of all plans. */
export function usePlans(): string[] {
  const query = useQuery({ queryKey: ["prices", ""], queryFn: () => take(api.GET("/api/v1/prices")) });
  return query.data?.plans.map((one) => one.name) ?? [];
}

function useColumns(): Column<Member>[] {
  const { t } = useTranslation("members");
  return [
    {
      key: "email",
      title: t("member"),
      isLead: true,
      render: (one) => (
        <div>
          <Link className={styles.lead} to={`/admin/members/${one.id}`}>
            {one.email}
          </Link>
          {(one.name || one.note) && <div className={styles.under}>{[one.name, one.note].filter(Boolean).join(" · ")}</div>}
        </div>
      ),
    },
    { key: "role", title: t("role"), render: (one) => t(`roles.${one.role}`) },
    { key: "plan", title: t("plan"), render: (one) => one.plan },
    { key: "status", title: t("status"), render: (one) => <AccountStatus status={one.status} /> },
    { key: "balance", title: t("balance"), align: "right", render: (one) => <Money value={one.balance} isBalance /> },
    { key: "keys", title: t("keys"), align: "right", render: (one) => <Count value={one.keys} /> },
    { key: "created", title: t("registered"), align: "right", render: (one) => <Time ms={one.created_ms} look="date" /> },
  ];
}
