import { ActionIcon, Anchor, Button, Menu } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { IconDots } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { api, take } from "@/api/client";
import { wholeList } from "@/api/lists";
import { mayUse, useMember } from "@/api/session";
import { useSite } from "@/api/site";
import { Confirm } from "@/ui/Confirm";
import { CopyLine } from "@/ui/Code";
import { DataTable, type Column } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { Money } from "@/ui/Money";
import { Page, Section } from "@/ui/Page";
import { StatusBadge } from "@/ui/StatusBadge";
import { Time } from "@/ui/Time";
import { sayDone, sayFailed } from "@/ui/notices";
import { BudgetCell } from "./BudgetCell";
import { Connect } from "./Connect";
import { KeyForm } from "./KeyForm";
import { KeyShown } from "./KeyShown";
import { RotateKey } from "./RotateKey";
import { stateOf, titleOf, TONES, type Key } from "./key";
import styles from "./Keys.module.css";

type Doing = { what: "create" } | { what: "edit" | "rotate" | "delete"; key: Key };

const LIST = ["keys"];

/** A member's own keys, and how to use them. */
export default function KeysPage() {
  const { t } = useTranslation("keys");
  const member = useMember();
  const client = useQueryClient();
  const [doing, setDoing] = useState<Doing | null>(null);
  const [secret, setSecret] = useState<string | null>(null);
  const query = useQuery({ queryKey: LIST, queryFn: () => take(api.GET("/api/v1/keys")) });
  const plan = useQuery({ queryKey: ["wallet"], queryFn: () => take(api.GET("/api/v1/wallet")) }).data?.plan;
  const mayWrite = mayUse(member, "keys:write");
  const refresh = () => client.invalidateQueries({ queryKey: LIST });
  const close = () => setDoing(null);
  const show = (made: string) => {
    setDoing(null);
    setSecret(made);
  };
  const create = mayWrite && <Button onClick={() => setDoing({ what: "create" })}>{t("create")}</Button>;
  const columns: Column<Key>[] = [
    { key: "name", title: t("key"), isLead: true, render: (key) => <Name of={key} /> },
    { key: "status", title: t("status"), render: (key) => <State of={key} /> },
    { key: "spent", title: t("spent"), align: "right", render: (key) => <Money value={key.spent} /> },
    { key: "budget", title: t("budget"), width: "11rem", render: (key) => <BudgetCell of={key} /> },
    { key: "for", title: t("only_for"), render: (key) => <OnlyFor of={key} /> },
    { key: "used", title: t("used"), align: "right", render: (key) => (key.used_ms ? <Time ms={key.used_ms} look="relative" /> : t("unused")) },
    {
      key: "actions",
      title: "",
      align: "right",
      render: (key) => mayWrite && key.status !== "revoked" && <Actions of={key} onDo={setDoing} onChanged={refresh} />,
    },
  ];
  return (
    <Page title={t("title")} lead={t("lead")} actions={create}>
      <DataTable
        label={t("title")}
        list={wholeList(query.data?.items, query)}
        columns={columns}
        rowKey={(key) => key.id}
        empty={<EmptyState title={t("none")}>{t("none_text")}</EmptyState>}
      />
      <Section title={t("connect")} lead={t("connect_lead")}>
        <Address />
        <Connect plan={plan} />
      </Section>
      {doing?.what === "create" && <KeyForm plan={plan} onClose={close} onMade={show} onChanged={refresh} />}
      {doing?.what === "edit" && <KeyForm edited={doing.key} plan={plan} onClose={close} onChanged={refresh} />}
      {doing?.what === "rotate" && <RotateKey rotated={doing.key} onClose={close} onMade={show} onChanged={refresh} />}
      <Confirm
        title={t("delete_title", { key: doing?.what === "delete" ? titleOf(doing.key) : "" })}
        action={t("delete")}
        isOpen={doing?.what === "delete"}
        onClose={close}
        onConfirm={async () => {
          if (doing?.what !== "delete") return;
          await take(api.DELETE("/api/v1/keys/{key_id}", { params: { path: { key_id: doing.key.id } } }));
          await refresh();
          sayDone(t("deleted"));
        }}
      >
        {t("delete_text")}
      </Confirm>
      <KeyShown secret={secret} plan={plan} onClose={() => setSecret(null)} />
    </Page>
  );
}

function Address() {
  const { t } = useTranslation("keys");
  const site = useSite();
  return (
    <div className={styles.address}>
      <span>{t("base_url")}</span>
      <CopyLine value={`${site?.public_url || location.origin}/v1`} label={t("base_url")} />
    </div>
  );
}

function Name({ of }: { of: Key }) {
  return (
    <div className={styles.name}>
      <span>{titleOf(of)}</span>
      {of.name && <code>{of.hint}</code>}
    </div>
  );
}

function State({ of }: { of: Key }) {
  const { t } = useTranslation("keys");
  const state = stateOf(of);
  return (
    <div className={styles.state}>
      <StatusBadge tone={TONES[state]}>{t(`state.${state}`)}</StatusBadge>
      {state === "active" && of.expires_ms !== null && (
        <small>
          {t("until")} <Time ms={of.expires_ms} look="date" />
        </small>
      )}
      {of.old_until_ms !== null && (
        <small>
          {t("old_until")} <Time ms={of.old_until_ms} />
        </small>
      )}
      {state === "held" && (
        <small>
          <Anchor component={Link} to="/tickets">
            {t("ask_review")}
          </Anchor>
        </small>
      )}
    </div>
  );
}

/** What the key is restricted to, in few words; all of it in the form. */
function OnlyFor({ of }: { of: Key }) {
  const { t } = useTranslation("keys");
  const parts = [
    of.models && (of.models.length === 1 ? of.models[0]! : t("count_models", { count: of.models.length })),
    of.endpoints && (of.endpoints.length === 1 ? of.endpoints[0]! : t("count_endpoints", { count: of.endpoints.length })),
    of.addresses && (of.addresses.length === 1 ? of.addresses[0]! : t("count_addresses", { count: of.addresses.length })),
  ].filter((part) => part !== null);
  if (parts.length === 0) return <span className={styles.quiet}>{t("anything")}</span>;
  return (
    <ul className={styles.scope}>
      {parts.map((part) => (
        <li key={part}>{part}</li>
      ))}
    </ul>
  );
}

function Actions({ of, onDo, onChanged }: { of: Key; onDo: (doing: Doing) => void; onChanged: () => Promise<unknown> }) {
  const { t } = useTranslation("keys");
  const isFrozen = of.status === "frozen";
  const turn = async () => {
    const request = { params: { path: { key_id: of.id } } };
    try {
      if (isFrozen) await take(api.POST("/api/v1/keys/{key_id}/unfreeze", request));
      else await take(api.POST("/api/v1/keys/{key_id}/freeze", request));
      await onChanged();
      sayDone(t(isFrozen ? "unfrozen" : "frozen_done", { key: titleOf(of) }));
    } catch (thrown) {
      sayFailed(thrown as Error);
    }
  };
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target>
        <ActionIcon aria-label={t("actions_of", { key: titleOf(of) })}>
          <IconDots size={16} aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={() => onDo({ what: "edit", key: of })}>{t("edit")}</Menu.Item>
        <Menu.Item onClick={() => onDo({ what: "rotate", key: of })}>{t("rotate")}</Menu.Item>
        <Menu.Item onClick={() => void turn()} disabled={of.frozen_by === "operator"}>
          {t(isFrozen ? "unfreeze" : "freeze")}
        </Menu.Item>
        <Menu.Item component={Link} to={`/usage?key_id=${of.id}`}>
          {t("see_usage")}
        </Menu.Item>
        <Menu.Divider />
        <Menu.Item color="red" onClick={() => onDo({ what: "delete", key: of })}>
          {t("delete")}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
