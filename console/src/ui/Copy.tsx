import { ActionIcon, Button } from "@mantine/core";
import { useClipboard } from "@mantine/hooks";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";

/** Copies `value`. With `label` a button with words, without it an icon; `what` says what is copied. */
export function Copy({ value, what, label }: { value: string; what?: string; label?: string }) {
  const { t } = useTranslation();
  const clipboard = useClipboard({ timeout: 1600 });
  const Icon = clipboard.copied ? IconCheck : IconCopy;
  const icon = <Icon size={15} stroke={1.7} color={clipboard.copied ? "var(--good)" : undefined} aria-hidden />;
  const copy = () => clipboard.copy(value);
  if (label) {
    return (
      <Button variant="default" size="compact-md" leftSection={icon} onClick={copy}>
        {clipboard.copied ? t("copied") : label}
      </Button>
    );
  }
  const name = clipboard.copied ? t("copied") : what ? t("copy_what", { what }) : t("copy");
  return (
    <ActionIcon size="md" aria-label={name} title={name} onClick={copy}>
      {icon}
    </ActionIcon>
  );
}
