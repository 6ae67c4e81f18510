import { Button, Group, Modal, Radio, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { ErrorNote } from "@/ui/ErrorNote";
import { formatSpan } from "@/ui/span";
import { titleOf, type Key } from "./key";

const HOUR_MS = 3_600_000;
const OVERLAPS_MS = [0, HOUR_MS, 24 * HOUR_MS, 7 * 24 * HOUR_MS, 30 * 24 * HOUR_MS];

interface Props {
  rotated: Key;
  onClose: () => void;
  onMade: (secret: string) => void;
  onChanged: () => Promise<unknown>;
}

/** Replaces a key by a new one, while the old one works on for as long as is chosen. */
export function RotateKey({ rotated, onClose, onMade, onChanged }: Props) {
  const { t } = useTranslation("keys");
  const [overlap, choose] = useState(String(24 * HOUR_MS));
  const [isRunning, setRunning] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const rotate = async () => {
    setRunning(true);
    try {
      const path = { key_id: rotated.id };
      const made = await take(
        api.POST("/api/v1/keys/{key_id}/rotate", { params: { path }, body: { overlap_ms: Number(overlap) } }),
      );
      await onChanged();
      onMade(made.key);
    } catch (thrown) {
      setError(thrown as Error);
      setRunning(false);
    }
  };
  return (
    <Modal opened onClose={onClose} title={t("rotate_title", { key: titleOf(rotated) })} closeButtonProps={{ "aria-label": t("common:close") }}>
      <Stack gap="md">
        <Text size="md">{t("rotate_text")}</Text>
        <Radio.Group label={t("overlap")} value={overlap} onChange={choose}>
          <Stack gap={6} mt={6}>
            {OVERLAPS_MS.map((ms) => (
              <Radio key={ms} value={String(ms)} label={ms ? formatSpan(ms, t) : t("overlap_none")} />
            ))}
          </Stack>
        </Radio.Group>
        {error && <ErrorNote error={error} />}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose}>
            {t("common:cancel")}
          </Button>
          <Button loading={isRunning} onClick={() => void rotate()}>
            {t("rotate")}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
