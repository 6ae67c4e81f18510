import { Button, Menu, ActionIcon } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { IconDots, IconPlus } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { wholeList } from "@/api/lists";
import { Confirm } from "@/ui/Confirm";
import { DataTable, type Column } from "@/ui/DataTable";
import { Meter } from "@/ui/Meter";
import { StatusBadge } from "@/ui/StatusBadge";
import styles from "./Channels.module.css";
import { CredentialDialog, type Draft } from "./CredentialDialog";
import type { Channel, CredentialStanding } from "./data";
import { reasonOf } from "./why";
import { POOL_TONES } from "./standing";
import { StateDialog, type Chosen } from "./StateDialog";

type Credential = Channel["credentials"][number];

interface Props {
  channel: Channel;
  standings: CredentialStanding[];
  mayWrite: boolean;
}

/** A channel's credentials: their states in the pool, and how near each is to its ceilings. */
export function Credentials({ channel, standings, mayWrite }: Props) {
  const { t } = useTranslation("channels");
  const [draft, setDraft] = useState<Draft | null>(null);
  const [chosen, setChosen] = useState<Chosen | null>(null);
  const [removed, setRemoved] = useState<string | null>(null);
  const columns: Column<Credential>[] = [
    {
      key: "name",
      title: t("column.credential"),
      isLead: true,
      render: (one) => (
        <>
          {one.name}
          {!one.is_stored && <span className={styles.sub}>{t("no_secret")}</span>}
        </>
      ),
    },
    { key: "state", title: t("column.state"), render: (one) => <PoolState credential={one} standing={of(standings, one.name)} /> },
    { key: "weight", title: t("column.weight"), align: "right", render: (one) => one.weight ?? 1 },
    { key: "ceilings", title: t("column.ceilings"), render: (one) => <Ceilings credential={one} standing={of(standings, one.name)} /> },
  ];
  if (mayWrite) {
    columns.push({
      key: "actions",
      title: "",
      align: "right",
      render: (one) => (
        <Actions
          name={one.name}
          isOff={one.state !== "enabled"}
          onEdit={() => setDraft({ channel: channel.name, credential: one })}
          onState={(state) => setChosen({ channel: channel.name, credential: one.name, state })}
          onRemove={() => setRemoved(one.name)}
        />
      ),
    });
  }
  return (
    <>
      <DataTable
        label={t("column.credentials")}
        list={wholeList(channel.credentials)}
        columns={columns}
        rowKey={(one) => one.name}
        empty={t("credentials_none")}
      />
      {mayWrite && (
        <div>
          <Button
            variant="default"
            size="compact-md"
            leftSection={<IconPlus size={15} stroke={1.7} />}
            onClick={() => setDraft({ channel: channel.name, credential: null })}
          >
            {t("credential.add")}
          </Button>
        </div>
      )}
      <CredentialDialog draft={draft} onClose={() => setDraft(null)} />
      <StateDialog chosen={chosen} onClose={() => setChosen(null)} />
      <RemoveCredential channel={channel.name} name={removed} onClose={() => setRemoved(null)} />
    </>
  );
}

function of(standings: CredentialStanding[], name: string): CredentialStanding | undefined {
  return standings.find((one) => one.name === name);
}

function PoolState({ credential, standing }: { credential: Credential; standing: CredentialStanding | undefined }) {
  const { t } = useTranslation("channels");
  const state = credential.state === "out" || credential.state === "disabled" ? credential.state : (standing?.state ?? "in");
  const why = credential.reason || standing?.why;
  return (
    <>
      <StatusBadge tone={POOL_TONES[state]}>{t(`pool.${state}`)}</StatusBadge>
      {why && <span className={styles.sub}>{reasonOf(why, t)}</span>}
      {standing && standing.resting.length > 0 && (
        <span className={styles.sub}>{t("rests_for", { models: standing.resting.join(", ") })}</span>
      )}
    </>
  );
}

function Ceilings({ credential, standing }: { credential: Credential; standing: CredentialStanding | undefined }) {
  const { t, i18n } = useTranslation("channels");
  const ceilings = [
    ["at_once", standing?.in_flight ?? 0, credential.concurrency],
    ["per_minute", standing?.requests ?? 0, credential.requests_per_minute],
    ["tokens", standing?.tokens ?? 0, credential.tokens_per_minute],
  ] as const;
  const format = new Intl.NumberFormat(i18n.language, { notation: "compact" });
  const bounded = ceilings.filter(([, , limit]) => limit);
  if (bounded.length === 0) {
    return <span className={styles.quiet}>{t("ceiling.none", { count: standing?.in_flight ?? 0 })}</span>;
  }
  return (
    <div className={styles.ceilings}>
      {bounded.map(([name, used, limit]) => (
        <Meter
          key={name}
          label={t(`ceiling.${name}`)}
          name={`${credential.name}: ${t(`ceiling.${name}`)}`}
          used={used}
          limit={limit!}
          text={`${format.format(used)} / ${format.format(limit!)}`}
        />
      ))}
    </div>
  );
}

interface ActionProps {
  name: string;
  isOff: boolean;
  onEdit: () => void;
  onState: (state: "enabled" | "disabled") => void;
  onRemove: () => void;
}

function Actions({ name, isOff, onEdit, onState, onRemove }: ActionProps) {
  const { t } = useTranslation("channels");
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target>
        <ActionIcon aria-label={t("actions_of", { name })}>
          <IconDots size={16} stroke={1.7} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={onEdit}>{t("credential.edit")}</Menu.Item>
        {isOff && <Menu.Item onClick={() => onState("enabled")}>{t("set.enabled")}</Menu.Item>}
        {!isOff && <Menu.Item onClick={() => onState("disabled")}>{t("set.disabled")}</Menu.Item>}
        <Menu.Divider />
        <Menu.Item color="red" onClick={onRemove}>
          {t("credential.remove")}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

function RemoveCredential({ channel, name, onClose }: { channel: string; name: string | null; onClose: () => void }) {
  const { t } = useTranslation("channels");
  const client = useQueryClient();
  const remove = async () => {
    const params = { path: { name: channel, credential: name! } };
    await take(api.DELETE("/api/v1/channels/{name}/credentials/{credential}", { params }));
    await client.invalidateQueries({ queryKey: ["channels"] });
  };
  return (
    <Confirm
      title={t("credential.remove_title", { name })}
      action={t("credential.remove")}
      isOpen={name !== null}
      onClose={onClose}
      onConfirm={remove}
    >
      {t("credential.remove_text")}
    </Confirm>
  );
}
