import { useEffect, useMemo, useState } from "react";
import { Conversations, type Conversation } from "./conversations";

/** The account's conversations, newest first, kept in the browser as they change. */
export function useConversations(accountId: string) {
  const store = useMemo(() => new Conversations(accountId), [accountId]);
  const [known, setKnown] = useState<Conversation[]>([]);
  const [isKept, setKept] = useState(true);
  useEffect(() => {
    store
      .prune()
      .then(() => store.all())
      .then(setKnown)
      .catch(() => setKept(false));
  }, [store]);
  return {
    known,
    isKept,
    /** Remember it as it is now, at the top of the list. */
    keep: (conversation: Conversation) => {
      const now = { ...conversation, updatedMs: Date.now() };
      setKnown((before) => [now, ...before.filter((one) => one.id !== now.id)]);
      store.put(now).catch(() => setKept(false));
    },
    remove: (ids: string[]) => {
      setKnown((before) => before.filter((one) => !ids.includes(one.id)));
      store.remove(ids).catch(() => setKept(false));
    },
  };
}
