import { notifications } from "@mantine/notifications";
import { Unreachable } from "@/api/problems";
import i18next from "i18next";

/** A short notice that something was done. */
export function sayDone(message: string): void {
  notifications.show({ message, color: "pine", closeButtonProps: { "aria-label": i18next.t("close") } });
}

/** A notice that something was not done, where no place near the button can say it. */
export function sayFailed(error: Error): void {
  const message = error instanceof Unreachable ? i18next.t("unreachable") : error.message;
  notifications.show({ message, color: "red", autoClose: 12_000, closeButtonProps: { "aria-label": i18next.t("close") } });
}
