import { Button, Group, Stack } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Dialog } from "@/ui/Dialog";
import { SecretOnce } from "@/ui/SecretOnce";
import { Connect } from "./Connect";

/** The one time that a key is seen, and how to use it. Closed by its button alone, so that no slip loses the key. */
export function KeyShown({ secret, plan, onClose }: { secret: string | null; plan?: string; onClose: () => void }) {
  const { t } = useTranslation("keys");
  return (
    <Dialog
      opened={secret !== null}
      onClose={onClose}
      title={t("made")}
      size="xl"
      closeOnClickOutside={false}
      closeOnEscape={false}
      withCloseButton={false}
    >
      {secret && (
        <Stack gap="lg">
          <SecretOnce secret={secret} label={t("key")} />
          <Connect plan={plan} secret={secret} />
          <Group justify="flex-end">
            <Button onClick={onClose}>{t("kept")}</Button>
          </Group>
        </Stack>
      )}
    </Dialog>
  );
}
