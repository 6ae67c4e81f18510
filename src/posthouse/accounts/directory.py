"""The keys that a serving process knows, found without waiting. Loaded from the store on a miss, forgotten
when a change of them is announced."""

import asyncio

from posthouse.accounts.queries import find_entry
from posthouse.accounts.rules import KeyEntry
from posthouse.store.changes import ChangeKind
from posthouse.store.engine import Store

ENTRIES_MAX = 100_000  # about 1 KB each
UNKNOWN_MAX = 10_000  # hashes of keys that do not exist, so that a client that retries costs no query
LOADS_MAX = 8  # queries at once: a flood of well-formed but false keys must not take all threads


class Directory:
    """Keys by hash. Used on the event loop only; hand `on_change` to the ChangeFeed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._entries: dict[bytes, KeyEntry] = {}
        self._hashes: dict[str, set[bytes]] = {}  # id of a key or an account -> hashes in _entries
        self._unknown: dict[bytes, None] = {}
        self._notices = 0
        self._loads = asyncio.Semaphore(LOADS_MAX)
        self.find = self._entries.get  # find(hash) -> KeyEntry | None, at the cost of one dict look-up

    async def load(self, key_hash: bytes) -> KeyEntry | None:
        """The entry of a key that `find` did not have; None when there is no such key. Raises StoreDown."""
        if key_hash in self._unknown:
            return None
        async with self._loads:
            while True:
                notices = self._notices
                entry = await asyncio.to_thread(find_entry, self._store, key_hash)
                if notices == self._notices:  # else what was read may be older than what was announced
                    break
        self._remember(key_hash, entry)
        return entry

    async def on_change(self, kind: ChangeKind, subject: str) -> None:
        """Forget what a notice from the change feed is about; the next call that needs it loads it."""
        if kind not in ("key", "account"):
            return
        self._notices += 1
        self._unknown.clear()
        for key_hash in list(self._hashes.get(subject, ())):
            self._forget(key_hash)

    def _remember(self, key_hash: bytes, entry: KeyEntry | None) -> None:
        if entry is None:
            if len(self._unknown) >= UNKNOWN_MAX:
                del self._unknown[next(iter(self._unknown))]
            self._unknown[key_hash] = None
            return
        if len(self._entries) >= ENTRIES_MAX and key_hash not in self._entries:
            self._forget(next(iter(self._entries)))
        self._entries[key_hash] = entry
        for name in (entry.key_id, entry.account_id):
            self._hashes.setdefault(name, set()).add(key_hash)

    def _forget(self, key_hash: bytes) -> None:
        entry = self._entries.pop(key_hash)
        for name in (entry.key_id, entry.account_id):
            self._hashes[name].discard(key_hash)
            if not self._hashes[name]:
                del self._hashes[name]
