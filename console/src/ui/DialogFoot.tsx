import { Button, Group } from "@mantine/core";
import { useTranslation } from "react-i18next";

interface Props {
  action: string; // the button's words: "Delete key"
  isRunning: boolean;
  onCancel: () => void;
  onAct?: () => void; // without it the button submits the form around it
  isDestructive?: boolean;
  isCancelFirst?: boolean; // focus starts on the button that does nothing
}

/** The last line of a dialog: put it away, or do it. */
export function DialogFoot({ action, isRunning, onCancel, onAct, isDestructive, isCancelFirst }: Props) {
  const { t } = useTranslation();
  return (
    <Group justify="flex-end" gap="xs" mt={onAct ? "md" : undefined}>
      <Button variant="default" onClick={onCancel} data-autofocus={isCancelFirst}>
        {t("cancel")}
      </Button>
      <Button type={onAct ? "button" : "submit"} color={isDestructive ? "red" : undefined} loading={isRunning} onClick={onAct}>
        {action}
      </Button>
    </Group>
  );
}
