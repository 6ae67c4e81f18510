import { Button, Group } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Dialog } from "@/ui/Dialog";
import { DialogFoot } from "@/ui/DialogFoot";
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
    dialog: <Preview proposed={proposed} onClose={() => setProposed(null)} onDone={onDone} />,
  };
}

function Preview({ proposed, onClose, onDone }: { proposed: Proposed | null; onClose: () => void; onDone: () => void }) {
  const { t } = useTranslation("catalogue");
  const client = useQueryClient();
  const apply = useMutation({
    mutationFn: async () => {
      await proposed!.run(false);
      await client.invalidateQueries();
    },
    onSuccess: () => {
      sayDone(t("preview.done"));
      onClose();
      onDone();
    },
  });
  const close = () => {
    apply.reset();
    onClose();
  };
  const isEmpty = proposed?.preview.changes.length === 0;
  return (
    <Dialog opened={proposed !== null} onClose={close} size="lg" title={t("preview.title")}>
      {proposed && <ChangePreview changes={proposed.preview} />}
      {apply.error && <ErrorNote error={apply.error} />}
      {isEmpty ? (
        <Group justify="flex-end" mt="md">
          <Button variant="default" onClick={close} data-autofocus>
            {t("common:cancel")}
          </Button>
        </Group>
      ) : (
        <DialogFoot action={t("preview.apply")} isRunning={apply.isPending} onCancel={close} onAct={() => apply.mutate()} isCancelFirst />
      )}
    </Dialog>
  );
}
