"""The change feed hears of everything, also after the store was away, and survives its listeners."""

import asyncio
from pathlib import Path

from sqlalchemy import func, select

from posthouse.store.changes import KEPT_MS, ChangeFeed, announce, prune
from posthouse.store.engine import Store
from posthouse.store.schema import changes
from posthouse.testing.stores import store_in
from posthouse.testing.waiting import until


def say(store: Store, subject: str, at_ms: int = 1) -> None:
    with store.begin() as connection:
        announce(connection, "key", subject, at_ms)


def execute(store: Store, sql: str) -> None:
    with store.begin() as connection:
        connection.exec_driver_sql(sql)


def test_nothing_is_missed_while_the_store_is_away(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    heard: list[str] = []
    errors: list[Exception] = []

    async def listener(kind: str, subject: str) -> None:
        heard.append(subject)

    async def story() -> None:
        feed = ChangeFeed(store, poll_s=0.01)
        feed.listen(listener)
        feed.on_error = errors.append
        await feed.start()
        with store.begin() as connection:
            announce(connection, "key", "k1", 1)
            connection.exec_driver_sql("ALTER TABLE changes RENAME TO away")
        await until(lambda: errors)
        execute(store, "ALTER TABLE away RENAME TO changes")
        await until(lambda: heard == ["k1"])
        await feed.stop()

    asyncio.run(story())
    store.close()


def test_a_listeners_fault_does_not_deafen_the_others(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    heard: list[str] = []
    errors: list[Exception] = []

    async def broken(kind: str, subject: str) -> None:
        raise RuntimeError(subject)

    async def listener(kind: str, subject: str) -> None:
        heard.append(subject)

    async def story() -> None:
        feed = ChangeFeed(store, poll_s=0.01)
        feed.listen(broken)
        feed.listen(listener)
        feed.on_error = errors.append
        await feed.start()
        say(store, "k1")
        say(store, "k2")
        await until(lambda: len(heard) == 2)
        await feed.stop()

    asyncio.run(story())
    assert [str(error) for error in errors] == heard == ["k1", "k2"]
    store.close()


def test_what_was_said_before_the_start_is_old_news(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    say(store, "old")
    heard: list[str] = []

    async def listener(kind: str, subject: str) -> None:
        heard.append(subject)

    async def story() -> None:
        feed = ChangeFeed(store, poll_s=0.01)
        feed.listen(listener)
        await feed.start()
        say(store, "new")
        await until(lambda: heard)
        await feed.stop()

    asyncio.run(story())
    assert heard == ["new"]
    store.close()


def test_old_notices_are_pruned(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    say(store, "old", 1)
    say(store, "new", KEPT_MS)
    with store.begin() as connection:
        prune(connection, KEPT_MS + 2)
        assert connection.execute(select(func.count()).select_from(changes)).scalar() == 1
    store.close()
