import { Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Dialog } from "@/ui/Dialog";
import { DialogFoot } from "@/ui/DialogFoot";
import { ErrorNote } from "@/ui/ErrorNote";
import { useSubmit } from "@/ui/forms";

interface Props {
  title: string;
  children?: ReactNode; // what it is about
  label: string;
  hint: string;
  action: string;
  isDestructive?: boolean;
  onClose: () => void;
  onDone: (text: string) => Promise<unknown>; // what it throws is shown
}

const TEXT_CHARS = 200;

/** Asks for the line that something is done with: a reference, a reason, a number. */
export function AskText({ title, children, label, hint, action, isDestructive, onClose, onDone }: Props) {
  const { t } = useTranslation("money");
  const form = useForm({ initialValues: { text: "" }, validate: { text: (text) => (text.trim() ? null : t("needed")) } });
  const { error, submit } = useSubmit(form, async ({ text }) => {
    await onDone(text.trim());
    onClose();
  });
  return (
    <Dialog onClose={onClose} title={title}>
      <form onSubmit={submit} noValidate>
        <Stack gap="md">
          {children}
          {error && <ErrorNote error={error} />}
          <TextInput
            label={label}
            description={hint}
            maxLength={TEXT_CHARS}
            required
            data-autofocus
            {...form.getInputProps("text")}
          />
          <DialogFoot action={action} isRunning={form.submitting} onCancel={onClose} isDestructive={isDestructive} />
        </Stack>
      </form>
    </Dialog>
  );
}
