import { TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { Confirm } from "@/ui/Confirm";

export interface Chosen {
  channel: string;
  credential: string; // empty: the whole channel
  state: "enabled" | "draining" | "disabled";
}

/** Asks for a reason, and sets a channel or credential apart, or takes it in again. */
export function StateDialog({ chosen, onClose }: { chosen: Chosen | null; onClose: () => void }) {
  const { t } = useTranslation("channels");
  const client = useQueryClient();
  const [reason, setReason] = useState("");
  if (!chosen) return null;
  const { channel, credential, state } = chosen;
  const set = async () => {
    await take(
      api.PUT("/api/v1/channels/{name}/state", { params: { path: { name: channel } }, body: { state, credential, reason } }),
    );
    setReason("");
    await client.invalidateQueries();
  };
  return (
    <Confirm
      title={t(`set.${state}_title`, { name: credential ? `${channel} / ${credential}` : channel })}
      action={t(`set.${state}`)}
      isOpen
      isDestructive={state === "disabled"}
      onClose={onClose}
      onConfirm={set}
    >
      <p>{t(`set.${state}_text`)}</p>
      <TextInput label={t("set.reason")} value={reason} maxLength={500} onChange={(event) => setReason(event.currentTarget.value)} />
    </Confirm>
  );
}
