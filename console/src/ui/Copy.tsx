import { ActionIcon, Button } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { copyText } from "./clipboard";

const SHOWN_MS = 1600; // how long it says that it has copied

/** Copies `value`. With `label` a button with words, without it an icon; `what` says what is copied. */
export function Copy({ value, what, label }: { value: string; what?: string; label?: string }) {
  const { t } = useTranslation();
  const [isCopied, setCopied] = useState(false);
  useEffect(() => {
    if (!isCopied) return;
    const timer = setTimeout(() => setCopied(false), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [isCopied]);
  const Icon = isCopied ? IconCheck : IconCopy;
  const icon = <Icon size={15} stroke={1.7} color={isCopied ? "var(--good)" : undefined} aria-hidden />;
  const copy = () => void copyText(value).then(setCopied);
  if (label) {
    return (
      <Button variant="default" size="compact-md" leftSection={icon} onClick={copy}>
        {isCopied ? t("copied") : label}
      </Button>
    );
  }
  const name = isCopied ? t("copied") : what ? t("copy_what", { what }) : t("copy");
  return (
    <ActionIcon size="md" aria-label={name} title={name} onClick={copy}>
      {icon}
    </ActionIcon>
  );
}
