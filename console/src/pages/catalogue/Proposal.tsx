import { Button, Group, Modal } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { ErrorNote } from "@/ui/ErrorNote";
import { sayDone } from "@/ui/notices";
import { ChangePreview } from "./ChangePreview";
import type { Changes } from "./types";

/** Tells what a change would do (`isDryRun`), or makes it. */
export type Run = (isDryRun: boolean) => Promise<Changes>;

interface Proposed {
  preview: Changes;
  run: Run;
}

/** A change that is first shown and then made. `propose` throws what the API refuses, for the form to show. */
export function useProposal(onDone: () => void) {
  const [proposed, setProposed] = useState<Proposed | null>(null);
  return {
    propose: async (run: Run) => setProposed({ preview: await run(true), run }),
    dialog: <Dialog proposed={proposed} onClose={() => setProposed(null)} onDone={onDone} />,
  };
}

function Dialog({ proposed, onClose, onDone }: { proposed: Proposed | null; onClose: () => void; onDone: () => void }) {
  const { t } = useTranslation("catalogue");
  const client = useQueryClient();
  const [isRunning, setRunning] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const apply = async () => {
    setRunning(true);
    setError(null);
    try {
      await proposed!.run(false);
      await client.invalidateQueries();
      sayDone(t("preview.done"));
      onClose();
      onDone();
    } catch (thrown) {
      setError(thrown as Error);
    } finally {
      setRunning(false);
    }
  };
  const isEmpty = proposed?.preview.changes.length === 0;
  return (
    <Modal
      opened={proposed !== null}
      onClose={onClose}
      size="lg"
      title={t("preview.title")}
      closeButtonProps={{ "aria-label": t("common:close") }}
    >
      {proposed && <ChangePreview changes={proposed.preview} />}
      {error && <ErrorNote error={error} />}
      <Group justify="flex-end" mt="md" gap="xs">
        <Button variant="default" onClick={onClose} data-autofocus>
          {t("common:cancel")}
        </Button>
        {!isEmpty && (
          <Button loading={isRunning} onClick={() => void apply()}>
            {t("preview.apply")}
          </Button>
        )}
      </Group>
    </Modal>
  );
}
