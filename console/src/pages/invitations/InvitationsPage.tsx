import { Button, NumberInput, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { useList } from "@/api/lists";
import type { components } from "@/api/schema";
import { Confirm } from "@/ui/Confirm";
import { CopyLine } from "@/ui/Code";
import { DataTable, type Column } from "@/ui/DataTable";
import { endOfDay } from "@/ui/days";
import { Dialog } from "@/ui/Dialog";
import { ErrorNote } from "@/ui/ErrorNote";
import { useSubmit } from "@/ui/forms";
import { Page } from "@/ui/Page";
import { StatusBadge } from "@/ui/StatusBadge";
import { Time } from "@/ui/Time";

type Invitation = components["schemas"]["InvitationAnswer"];

const KEY = ["invitations"];

export default function InvitationsPage() {
  const { t } = useTranslation("invitations");
  const client = useQueryClient();
  const [isMaking, setMaking] = useState(false);
  const [doomed, setDoomed] = useState<Invitation | null>(null);
  const list = useList(KEY, (after) => take(api.GET("/api/v1/invitations", { params: { query: { after } } })));
  const refresh = () => client.invalidateQueries({ queryKey: KEY });
  const columns: Column<Invitation>[] = [
    { key: "code", title: t("code"), isLead: true, render: (one) => <CopyLine value={one.code} label={t("code")} /> },
    { key: "note", title: t("note"), render: (one) => one.note },
    { key: "used", title: t("used"), align: "right", render: (one) => t("used_of", { used: one.used, max: one.uses_max }) },
    { key: "expires", title: t("expires"), render: (one) => (one.expires_ms ? <Time ms={one.expires_ms} /> : t("never")) },
    { key: "state", title: t("state"), render: (one) => <State invitation={one} /> },
    { key: "created", title: t("created"), render: (one) => <Time ms={one.created_ms} look="date" /> },
    {
      key: "revoke",
      title: "",
      align: "right",
      render: (one) =>
        stateOf(one) === "open" && (
          <Button variant="subtle" color="red" size="compact-sm" onClick={() => setDoomed(one)}>
            {t("revoke")}
          </Button>
        ),
    },
  ];
  const revoke = async () => {
    if (!doomed) return;
    await take(api.DELETE("/api/v1/invitations/{invitation_id}", { params: { path: { invitation_id: doomed.id } } }));
    await refresh();
  };
  return (
    <Page title={t("title")} lead={t("lead")} actions={<Button onClick={() => setMaking(true)}>{t("create")}</Button>}>
      <DataTable label={t("title")} list={list} columns={columns} rowKey={(one) => one.id} empty={t("none")} />
      <Dialog opened={isMaking} onClose={() => setMaking(false)} title={t("create")}>
        <NewInvitation
          onMade={async () => {
            setMaking(false);
            await refresh();
          }}
        />
      </Dialog>
      <Confirm
        title={t("revoke_title", { code: doomed?.code ?? "" })}
        action={t("revoke")}
        isOpen={doomed !== null}
        onClose={() => setDoomed(null)}
        onConfirm={revoke}
      >
        {t("revoke_lead")}
      </Confirm>
    </Page>
  );
}

type StateName = "open" | "revoked" | "used_up" | "expired";

function stateOf(one: Invitation): StateName {
  if (one.revoked_ms) return "revoked";
  if (one.used >= one.uses_max) return "used_up";
  return one.expires_ms && one.expires_ms <= Date.now() ? "expired" : "open";
}

function State({ invitation }: { invitation: Invitation }) {
  const { t } = useTranslation("invitations");
  const state = stateOf(invitation);
  const tone = state === "open" ? "good" : state === "revoked" ? "bad" : "quiet";
  return <StatusBadge tone={tone}>{t(`states.${state}`)}</StatusBadge>;
}

function NewInvitation({ onMade }: { onMade: () => Promise<void> }) {
  const { t } = useTranslation("invitations");
  const form = useForm({ initialValues: { note: "", uses_max: 1 as number | string, until: "" } });
  const { error, submit } = useSubmit(form, async ({ note, uses_max, until }) => {
    const expires_ms = until ? endOfDay(until) : null;
    await take(api.POST("/api/v1/invitations", { body: { note, uses_max: Number(uses_max), expires_ms } }));
    await onMade();
  });
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        {error && <ErrorNote error={error} />}
        <TextInput label={t("note")} description={t("note_hint")} maxLength={200} data-autofocus {...form.getInputProps("note")} />
        <NumberInput label={t("uses_max")} min={1} max={100000} allowDecimal={false} required {...form.getInputProps("uses_max")} />
        <TextInput label={t("until")} description={t("until_hint")} type="date" {...form.getInputProps("until")} />
        <Button type="submit" loading={form.submitting}>
          {t("create")}
        </Button>
      </Stack>
    </form>
  );
}
