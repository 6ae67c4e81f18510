import { Button, Group, Modal, Text } from "@mantine/core";
import { useState, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { ErrorNote } from "./ErrorNote";

interface Props {
  title: string; // a question: "Delete this key?"
  children?: ReactNode; // what follows from it
  action: string; // the button's words: "Delete key"
  isOpen: boolean;
  onClose: () => void;
  onConfirm: () => Promise<unknown>; // closes when it ends; what it throws is shown
  isDestructive?: boolean;
}

/** Asks before something that cannot be undone. Focus starts on the button that does nothing. */
export function Confirm({ title, children, action, isOpen, onClose, onConfirm, isDestructive = true }: Props) {
  const { t } = useTranslation();
  const [isRunning, setRunning] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const close = () => {
    setError(null);
    onClose();
  };
  const run = async () => {
    setRunning(true);
    setError(null);
    try {
      await onConfirm();
      onClose();
    } catch (thrown) {
      setError(thrown as Error);
    } finally {
      setRunning(false);
    }
  };
  return (
    <Modal opened={isOpen} onClose={close} title={title} closeButtonProps={{ "aria-label": t("close") }}>
      {children && (
        <Text component="div" size="md" mb="md">
          {children}
        </Text>
      )}
      {error && <ErrorNote error={error} />}
      <Group justify="flex-end" mt="md" gap="xs">
        <Button variant="default" onClick={close} data-autofocus>
          {t("cancel")}
        </Button>
        <Button color={isDestructive ? "red" : undefined} loading={isRunning} onClick={() => void run()}>
          {action}
        </Button>
      </Group>
    </Modal>
  );
}
