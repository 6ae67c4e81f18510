import { Group, TextInput, UnstyledButton } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import type { TFunction } from "i18next";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { api, take } from "@/api/client";
import { useList } from "@/api/lists";
import type { components } from "@/api/schema";
import { mayUse, useMember } from "@/api/session";
import { Actor } from "@/ui/Actor";
import { useAddress } from "@/ui/address";
import { DataTable, type Column } from "@/ui/DataTable";
import { startOfDay } from "@/ui/days";
import { Dialog } from "@/ui/Dialog";
import { Page } from "@/ui/Page";
import { Time } from "@/ui/Time";
import styles from "./Audit.module.css";
import { differences, inOneLine } from "./changes";

type Change = components["schemas"]["Change"];

const FILTERS = ["actor", "action", "subject"] as const;
const TYPING_MS = 300;

/** Every change that somebody made: who, when, what, and how it was before. */
export default function AuditPage() {
  const { t } = useTranslation("access");
  const { text, set } = useAddress();
  const [open, setOpen] = useState<Change | null>(null);
  const [asked] = useDebouncedValue(
    { actor: text("actor"), action: text("action"), subject: text("subject"), from_ms: text("from") ? startOfDay(text("from")) : undefined, to_ms: text("to") ? startOfDay(text("to"), 1) : undefined },
    TYPING_MS,
  );
  const list = useList(["audit", asked], (after) => take(api.GET("/api/v1/audit", { params: { query: { ...asked, after } } })));
  return (
    <Page title={t("audit")} lead={t("audit_lead")}>
      <Group gap="sm" align="flex-end">
        {FILTERS.map((name) => (
          <TextInput
            key={name}
            label={t(`filter.${name}`)}
            placeholder={t(`example.${name}`)}
            value={text(name)}
            onChange={(event) => set({ [name]: event.currentTarget.value.trim() })}
            flex="1 1 11rem"
          />
        ))}
        <TextInput type="date" label={t("from")} value={text("from")} onChange={(event) => set({ from: event.currentTarget.value })} />
        <TextInput type="date" label={t("to")} value={text("to")} onChange={(event) => set({ to: event.currentTarget.value })} />
      </Group>
      <DataTable label={t("audit")} list={list} columns={columnsOf(t, setOpen)} rowKey={(change) => String(change.id)} empty={t("no_changes")} />
      <Dialog
        opened={open !== null}
        onClose={() => setOpen(null)}
        title={open?.action}
        size="xl"
      >
        {open && <Details change={open} />}
      </Dialog>
    </Page>
  );
}

function columnsOf(t: TFunction<"access">, onOpen: (change: Change) => void): Column<Change>[] {
  return [
    { key: "time", title: t("common:time"), render: (change) => <Time ms={change.at_ms} look="seconds" /> },
    { key: "who", title: t("who"), render: (change) => <Actor actor={change.actor} email={change.actor_email} /> },
    {
      key: "action",
      title: t("action"),
      isLead: true,
      render: (change) => (
        <UnstyledButton className={styles.action} onClick={() => onOpen(change)}>
          {change.action}
        </UnstyledButton>
      ),
    },
    { key: "subject", title: t("subject"), render: (change) => <Subject of={change.subject} /> },
    { key: "what", title: t("what"), render: (change) => <Summary change={change} /> },
  ];
}

/** What was changed; an account leads to its page. */
function Subject({ of }: { of: string }) {
  const mayLook = mayUse(useMember(), "members:read");
  const [, id] = /^account:(acc_\w+)$/.exec(of) ?? [];
  const words = <code className={styles.subject}>{of}</code>;
  return id && mayLook ? <Link to={`/admin/members/${id}`} className={styles.account}>{words}</Link> : words;
}

const SUMMED_UP = 2;
const SHOWN_CHARS = 100; // of a value in a row; a page's text has thousands

/** The first differences, for the row. */
function Summary({ change }: { change: Change }) {
  const { t } = useTranslation("access");
  const found = differences(change.before, change.after);
  return (
    <div className={styles.summary}>
      {found.slice(0, SUMMED_UP).map((one) => (
        <div key={one.path}>
          {one.path && <span className={styles.path}>{one.path} </span>}
          {one.before !== undefined && <del>{shortened(one.before)}</del>}
          {one.before !== undefined && one.after !== undefined && " → "}
          {one.after !== undefined && <ins>{shortened(one.after)}</ins>}
        </div>
      ))}
      {found.length > SUMMED_UP && <span className={styles.path}>{t("more_differences", { count: found.length - SUMMED_UP })}</span>}
    </div>
  );
}

function shortened(value: unknown): string {
  const text = [...inOneLine(value)];
  return text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS).join("")}…` : text.join("");
}

function Details({ change }: { change: Change }) {
  const { t } = useTranslation("access");
  const found = differences(change.before, change.after);
  return (
    <>
      <p className={styles.line}>
        <Time ms={change.at_ms} look="seconds" /> · <Actor actor={change.actor} email={change.actor_email} /> · <Subject of={change.subject} />
      </p>
      {found.length === 0 ? (
        <p>{t("no_difference")}</p>
      ) : (
        <div className={styles.scroll} role="group" aria-label={t("what")} tabIndex={0}>
          <table className={styles.table}>
            <thead>
              <tr>
                <th scope="col">{t("field")}</th>
                <th scope="col">{t("before")}</th>
                <th scope="col">{t("after")}</th>
              </tr>
            </thead>
            <tbody>
              {found.map((one) => (
                <tr key={one.path}>
                  <th scope="row">{one.path || t("whole")}</th>
                  <td>{inOneLine(one.before)}</td>
                  <td>{inOneLine(one.after)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}
