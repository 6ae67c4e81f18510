import { Radio, Stack, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { Dialog } from "@/ui/Dialog";
import { DialogFoot } from "@/ui/DialogFoot";
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
  const rotate = useMutation({
    mutationFn: () =>
      take(
        api.POST("/api/v1/keys/{key_id}/rotate", {
          params: { path: { key_id: rotated.id } },
          body: { overlap_ms: Number(overlap) },
        }),
      ),
    onSuccess: async (made) => {
      await onChanged();
      onMade(made.key);
    },
  });
  return (
    <Dialog onClose={onClose} title={t("rotate_title", { key: titleOf(rotated) })}>
      <Stack gap="md">
        <Text size="md">{t("rotate_text")}</Text>
        <Radio.Group label={t("overlap")} value={overlap} onChange={choose}>
          <Stack gap={6} mt={6}>
            {OVERLAPS_MS.map((ms) => (
              <Radio key={ms} value={String(ms)} label={ms ? formatSpan(ms, t) : t("overlap_none")} />
            ))}
          </Stack>
        </Radio.Group>
        {rotate.error && <ErrorNote error={rotate.error} />}
        <DialogFoot action={t("rotate")} isRunning={rotate.isPending} onCancel={onClose} onAct={() => rotate.mutate()} />
      </Stack>
    </Dialog>
  );
}
