import i18next from "i18next";
import { useSyncExternalStore } from "react";
import { tellOf } from "./told";

// What shows notices is fetched with the first of them: most views have none.
const load = () => import("./NoticesPlace");
const listeners = new Set<() => void>();
let isAsked = false;

async function show(message: string, color: string, autoClose: number, title?: string): Promise<void> {
  isAsked = true;
  for (const listener of listeners) listener();
  const { notifications } = await load();
  notifications.show({ title, message, color, autoClose, closeButtonProps: { "aria-label": i18next.t("close") } });
}

/** A short notice that something was done. */
export function sayDone(message: string): void {
  void show(message, "pine", 6000);
}

/** A notice that something was not done, where no place near the button can say it. */
export function sayFailed(error: Error): void {
  const { title, text } = tellOf(error, i18next.t);
  void show(text, "red", 12_000, title);
}

/** Whether there has been a notice, so that there must be a place for it. */
export function useNoticesAsked(): boolean {
  const subscribe = (listener: () => void) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };
  return useSyncExternalStore(subscribe, () => isAsked);
}
