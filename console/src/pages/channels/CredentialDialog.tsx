import { NumberInput, PasswordInput, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { numberOf } from "@/pages/catalogue/types";
import { Dialog } from "@/ui/Dialog";
import { DialogFoot } from "@/ui/DialogFoot";
import { ErrorNote } from "@/ui/ErrorNote";
import { useSubmit } from "@/ui/forms";
import { sayDone } from "@/ui/notices";
import type { Channel } from "./data";

export interface Draft {
  channel: string;
  credential: Channel["credentials"][number] | null; // null: a new one
}

const CEILINGS = ["concurrency", "requests_per_minute", "tokens_per_minute"] as const;

/** Adds a credential, or changes its share, its ceilings and (when one is typed) its secret. */
export function CredentialDialog({ draft, onClose }: { draft: Draft | null; onClose: () => void }) {
  const { t } = useTranslation("channels");
  return (
    <Dialog
      opened={draft !== null}
      onClose={onClose}
      title={draft?.credential ? t("credential.edit_title", { name: draft.credential.name }) : t("credential.add")}
    >
      {draft && <Fields draft={draft} onClose={onClose} />}
    </Dialog>
  );
}

function Fields({ draft, onClose }: { draft: Draft; onClose: () => void }) {
  const { t } = useTranslation("channels");
  const client = useQueryClient();
  const known = draft.credential;
  const form = useForm({
    initialValues: {
      name: known?.name ?? "",
      secret: "",
      weight: (known?.weight ?? 1) as number | string,
      concurrency: (known?.concurrency ?? "") as number | string,
      requests_per_minute: (known?.requests_per_minute ?? "") as number | string,
      tokens_per_minute: (known?.tokens_per_minute ?? "") as number | string,
    },
    validate: { name: (value) => (/^[A-Za-z0-9_.-]{1,100}$/.test(value) ? null : t("credential.name_rule")) },
  });
  const { error, submit: save } = useSubmit(form, async (values) => {
    await take(
      api.PUT("/api/v1/channels/{name}/credentials/{credential}", {
        params: { path: { name: draft.channel, credential: values.name } },
        body: {
          weight: numberOf(values.weight) ?? 1,
          concurrency: numberOf(values.concurrency) ?? null,
          requests_per_minute: numberOf(values.requests_per_minute) ?? null,
          tokens_per_minute: numberOf(values.tokens_per_minute) ?? null,
          secret: values.secret || null,
        },
      }),
    );
    await client.invalidateQueries({ queryKey: ["channels"] });
    sayDone(t("common:saved"));
    onClose();
  });
  return (
    <form onSubmit={save}>
      <Stack gap="sm">
        {!known && <TextInput label={t("credential.name")} data-autofocus required {...form.getInputProps("name")} />}
        <PasswordInput
          label={t("credential.secret")}
          description={known?.is_stored ? t("credential.secret_kept") : t("credential.secret_new")}
          autoComplete="off"
          required={!known?.is_stored}
          {...form.getInputProps("secret")}
        />
        <NumberInput label={t("column.weight")} description={t("credential.weight_hint")} min={1} allowDecimal={false} {...form.getInputProps("weight")} />
        {CEILINGS.map((field) => (
          <NumberInput
            key={field}
            label={t(`credential.${field}`)}
            placeholder={t("no_ceiling")}
            min={1}
            allowDecimal={false}
            thousandSeparator=" "
            {...form.getInputProps(field)}
          />
        ))}
        {error && <ErrorNote error={error} />}
        <DialogFoot action={t("common:save")} isRunning={form.submitting} onCancel={onClose} />
      </Stack>
    </form>
  );
}
