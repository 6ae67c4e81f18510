import { Button, Group, Modal, Stack, TextInput } from "@mantine/core";
import { useState, type FormEvent, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { ErrorNote } from "@/ui/ErrorNote";

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
  const [text, setText] = useState("");
  const [problem, setProblem] = useState("");
  const [error, setError] = useState<Error | null>(null);
  const [isRunning, setRunning] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!text.trim()) return setProblem(t("needed"));
    setRunning(true);
    setError(null);
    try {
      await onDone(text.trim());
      onClose();
    } catch (thrown) {
      setError(thrown as Error);
    } finally {
      setRunning(false);
    }
  };
  return (
    <Modal opened onClose={onClose} title={title} closeButtonProps={{ "aria-label": t("common:close") }}>
      <form onSubmit={(event) => void submit(event)} noValidate>
        <Stack gap="md">
          {children}
          {error && <ErrorNote error={error} />}
          <TextInput
            label={label}
            description={hint}
            maxLength={TEXT_CHARS}
            required
            data-autofocus
            value={text}
            error={problem}
            onChange={(event) => {
              setText(event.currentTarget.value);
              setProblem("");
            }}
          />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              {t("common:cancel")}
            </Button>
            <Button type="submit" color={isDestructive ? "red" : undefined} loading={isRunning}>
              {action}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
