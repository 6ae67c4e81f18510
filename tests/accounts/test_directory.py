import asyncio
import threading

import pytest

from posthouse.accounts import directory as module
from posthouse.accounts.directory import Directory
from posthouse.accounts.rules import KeyEntry
from posthouse.accounts.service import create_account, create_key, freeze_key
from posthouse.kernel.secrets import hash_key
from posthouse.store.engine import Store


def new_keys(store: Store, count: int) -> list[tuple[str, bytes]]:
    account = create_account(store, "ada@example.org")
    made = [create_key(store, account.id) for _ in range(count)]
    return [(key.id, hash_key(key.key.encode())) for key in made]


def test_memory_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENTRIES_MAX", 2)
    monkeypatch.setattr(module, "UNKNOWN_MAX", 2)
    keys = new_keys(store, 3)

    async def story() -> None:
        directory = Directory(store)
        for _, key_hash in keys:
            assert await directory.load(key_hash) is not None
        known = [directory.find(key_hash) is not None for _, key_hash in keys]
        assert known == [False, True, True]
        for number in range(5):
            assert await directory.load(hash_key(b"%d" % number)) is None
        assert len(directory._unknown) == 2

    asyncio.run(story())


def test_a_key_frozen_while_it_is_loaded_is_loaded_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read before the change must not be kept after its notice has passed."""
    ((key_id, key_hash),) = new_keys(store, 1)
    was_read, go_on = threading.Event(), threading.Event()
    read = module.find_entry

    def slow(opened: Store, wanted: bytes) -> KeyEntry | None:
        entry = read(opened, wanted)
        was_read.set()
        go_on.wait(5)
        return entry

    monkeypatch.setattr(module, "find_entry", slow)

    async def story() -> None:
        directory = Directory(store)
        loading = asyncio.create_task(directory.load(key_hash))
        await asyncio.to_thread(was_read.wait, 5)
        await asyncio.to_thread(freeze_key, store, key_id)
        await directory.on_change("key", key_id)
        go_on.set()
        entry = await loading
        assert entry is not None
        assert entry.key_status == "frozen"

    asyncio.run(story())


def test_other_notices_are_not_the_directorys(store: Store) -> None:
    ((key_id, key_hash),) = new_keys(store, 1)

    async def story() -> None:
        directory = Directory(store)
        entry = await directory.load(key_hash)
        await directory.on_change("balance", key_id)
        await directory.on_change("key", "key_of_somebody_else")
        assert directory.find(key_hash) is entry

    asyncio.run(story())
