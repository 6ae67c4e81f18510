import { Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Dialog } from "./Dialog";
import { DialogFoot } from "./DialogFoot";
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
  const run = useMutation({ mutationFn: onConfirm, onSuccess: onClose });
  const close = () => {
    run.reset();
    onClose();
  };
  return (
    <Dialog opened={isOpen} onClose={close} title={title}>
      {children && (
        <Text component="div" size="md" mb="md">
          {children}
        </Text>
      )}
      {run.error && <ErrorNote error={run.error} />}
      <DialogFoot action={action} isRunning={run.isPending} onCancel={close} onAct={() => run.mutate()} isDestructive={isDestructive} isCancelFirst />
    </Dialog>
  );
}
