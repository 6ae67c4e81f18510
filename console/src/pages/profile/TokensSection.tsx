import { Button, Checkbox, Group, Select, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useDisclosure } from "@mantine/hooks";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { wholeList } from "@/api/lists";
import type { components } from "@/api/schema";
import { Confirm } from "@/ui/Confirm";
import { DataTable, type Column } from "@/ui/DataTable";
import { Dialog } from "@/ui/Dialog";
import { DialogFoot } from "@/ui/DialogFoot";
import { ErrorNote } from "@/ui/ErrorNote";
import { Section } from "@/ui/Page";
import { SecretOnce } from "@/ui/SecretOnce";
import { Time } from "@/ui/Time";
import { useSubmit } from "@/ui/forms";

type Token = components["schemas"]["TokenAnswer"];
type Scope = components["schemas"]["Permission"];

const KEY = ["tokens"];
const DAY_MS = 86_400_000;
const LIFETIMES = ["30", "90", "365", ""] as const; // days; "" is for ever

/** Tokens that the member's own scripts call the REST API with. */
export function TokensSection() {
  const { t } = useTranslation("access");
  const client = useQueryClient();
  const query = useQuery({ queryKey: KEY, queryFn: () => take(api.GET("/api/v1/tokens")) });
  const [isMaking, dialog] = useDisclosure();
  const [deleted, setDeleted] = useState<Token | null>(null);
  const deleteOne = async () => {
    if (!deleted) return;
    await take(api.DELETE("/api/v1/tokens/{token_id}", { params: { path: { token_id: deleted.id } } }));
    await client.invalidateQueries({ queryKey: KEY });
  };
  const columns: Column<Token>[] = [
    { key: "name", title: t("name"), isLead: true, render: (token) => token.name },
    { key: "hint", title: t("token"), render: (token) => <code>{token.hint}</code> },
    { key: "scopes", title: t("scopes"), render: (token) => token.scopes.join(", ") },
    { key: "used", title: t("last_used"), render: (token) => (token.used_ms ? <Time ms={token.used_ms} look="relative" /> : t("never")) },
    { key: "expires", title: t("expires"), render: (token) => (token.expires_ms ? <Time ms={token.expires_ms} look="date" /> : t("never")) },
    {
      key: "delete",
      title: "",
      align: "right",
      render: (token) => (
        <Button size="compact-sm" variant="default" onClick={() => setDeleted(token)}>
          {t("delete")}
        </Button>
      ),
    },
  ];
  const actions = (
    <Button size="compact-md" variant="default" onClick={dialog.open} disabled={!query.data}>
      {t("new_token")}
    </Button>
  );
  return (
    <Section id="tokens" title={t("tokens")} lead={t("tokens_lead")} actions={actions}>
      <DataTable label={t("tokens")} list={wholeList(query.data?.items, query)} columns={columns} rowKey={(token) => token.id} empty={t("no_tokens")} />
      {isMaking && <NewToken grantable={query.data?.grantable ?? []} onClose={dialog.close} />}
      <Confirm title={t("delete_token_question", { name: deleted?.name })} action={t("delete")} isOpen={deleted !== null} onClose={() => setDeleted(null)} onConfirm={deleteOne}>
        {t("delete_token_text")}
      </Confirm>
    </Section>
  );
}

function NewToken({ grantable, onClose }: { grantable: string[]; onClose: () => void }) {
  const { t } = useTranslation("access");
  const client = useQueryClient();
  const form = useForm({ initialValues: { name: "", scopes: [] as string[], days: "90" } });
  const [made, setMade] = useState("");
  const { error, submit } = useSubmit(form, async ({ name, scopes, days }) => {
    const expires_ms = days ? Date.now() + Number(days) * DAY_MS : null;
    const answer = await take(api.POST("/api/v1/tokens", { body: { name, scopes: scopes as Scope[], expires_ms } }));
    setMade(answer.token);
    await client.invalidateQueries({ queryKey: KEY });
  });
  return (
    <Dialog onClose={onClose} title={t("new_token")}>
      {made ? (
        <Stack gap="md">
          <SecretOnce secret={made} label={t("token")} />
          <Group justify="flex-end">
            <Button onClick={onClose}>{t("common:close")}</Button>
          </Group>
        </Stack>
      ) : (
        <form onSubmit={submit} noValidate>
          <Stack gap="md">
            {error && <ErrorNote error={error} />}
            <TextInput label={t("name")} description={t("token_name_hint")} required maxLength={100} data-autofocus {...form.getInputProps("name")} />
            <Checkbox.Group label={t("scopes")} description={t("scopes_hint")} required {...form.getInputProps("scopes")}>
              <Stack gap={6} mt="xs">
                {grantable.map((scope) => (
                  <Checkbox key={scope} value={scope} label={<code>{scope}</code>} description={t(`scope.${scope.replace(":", "_")}`)} />
                ))}
              </Stack>
            </Checkbox.Group>
            <Select
              label={t("expires")}
              data={LIFETIMES.map((days) => ({ value: days, label: days ? t("in_days", { count: Number(days) }) : t("never") }))}
              allowDeselect={false}
              {...form.getInputProps("days")}
            />
            <DialogFoot action={t("create_token")} isRunning={form.submitting} onCancel={onClose} />
          </Stack>
        </form>
      )}
    </Dialog>
  );
}
