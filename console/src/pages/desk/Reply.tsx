import { Button, Group, Textarea } from "@mantine/core";
import { useForm } from "@mantine/form";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { ErrorNote } from "@/ui/ErrorNote";
import { useSubmit } from "@/ui/forms";
import styles from "./Desk.module.css";

interface Props {
  label: string;
  hint?: string;
  action: string;
  onSend: (text: string) => Promise<unknown>; // what it throws is shown
  children?: ReactNode; // more buttons
}

/** Writes one more message. Ctrl+Enter sends it. */
export function Reply({ label, hint, action, onSend, children }: Props) {
  const { t } = useTranslation("desk");
  const form = useForm({ initialValues: { text: "" } });
  const { error, submit } = useSubmit(form, async ({ text }) => {
    await onSend(text);
    form.reset();
  });
  return (
    <form className={styles.reply} onSubmit={submit}>
      {error && <ErrorNote error={error} />}
      <Textarea
        label={label}
        description={hint}
        placeholder={t("send_keys")}
        maxLength={10_000}
        required
        autosize
        minRows={4}
        maxRows={16}
        onKeyDown={(event) => {
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.currentTarget.form?.requestSubmit();
        }}
        {...form.getInputProps("text")}
      />
      <Group justify="flex-end" gap="xs" mt="sm">
        {children}
        <Button type="submit" loading={form.submitting}>
          {action}
        </Button>
      </Group>
    </form>
  );
}
