import { Modal, type ModalProps } from "@mantine/core";
import { useEffect } from "react";

let outside: HTMLElement | null = null; // what last had the focus, dialogs and menus aside

document.addEventListener("focusin", ({ target }) => {
  if (target instanceof HTMLElement && !target.closest("[role=dialog], [role=menu]")) outside = target;
});

/** Once no dialog is open, the focus is where it was before: also where that was a menu's button, whose items are gone
 * by then. Where that is gone too, such as with a row that was deleted, it is at the page's begin. */
function giveBack(): void {
  setTimeout(() => {
    if (document.querySelector("[role=dialog]")) return;
    (outside?.isConnected ? outside : document.getElementById("main"))?.focus({ preventScroll: true });
  });
}

/** A dialog over the page; without `opened` it is open for as long as it is there. */
export function Dialog({ opened = true, ...props }: Partial<ModalProps> & Pick<ModalProps, "onClose">) {
  useEffect(() => (opened ? giveBack : undefined), [opened]);
  return <Modal opened={opened} onExitTransitionEnd={giveBack} {...props} />;
}
