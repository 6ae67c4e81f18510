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

/** Leaves with what is in the dialog, and not before: the end of its transition comes sooner on a busy machine. */
function Leaving() {
  useEffect(() => giveBack, []);
  return null;
}

/** A dialog over the page; without `opened` it is open for as long as it is there. */
export function Dialog({ opened = true, children, ...props }: Partial<ModalProps> & Pick<ModalProps, "onClose">) {
  return (
    <Modal opened={opened} {...props}>
      {children}
      <Leaving />
    </Modal>
  );
}
