import re

import pytest
from sqlalchemy import delete

from posthouse.catalogue import events, service
from posthouse.catalogue.errors import ConfigurationError
from posthouse.catalogue.events import ChannelEvent, add_events, list_events
from posthouse.catalogue.queries import load_catalogue
from posthouse.catalogue.service import set_by_hand
from posthouse.catalogue.states import note_back, note_out, read_states
from posthouse.kernel.secrets import SecretBox
from posthouse.store.engine import Store
from posthouse.store.schema import changes


@pytest.fixture
def store(store: Store, box: SecretBox) -> Store:
    """With two channels, and nothing that servers have to hear of."""
    url = {"base_url": "http://127.0.0.1:1/v1"}
    service.put(store, box, "channel", "main", {**url, "credentials": [{"name": "one"}]}, now_ms=1)
    service.put(store, box, "channel", "spare", url, now_ms=1)
    with store.begin() as connection:
        connection.execute(delete(changes))
    return store


def states_of(store: Store) -> dict[tuple[str, str], str]:
    with store.read() as connection:
        return {key: one.state for key, one in read_states(connection).items()}


def notices_of(store: Store) -> list[tuple[str, str]]:
    with store.read() as connection:
        return [(row.kind, row.subject) for row in connection.execute(changes.select().order_by("id"))]


def test_a_channel_is_drained_and_enabled_by_hand(store: Store) -> None:
    assert set_by_hand(store, "main", "", "draining", reason="bill", now_ms=7) == "enabled"
    assert set_by_hand(store, "main", "", "enabled", now_ms=8) == "draining"
    assert states_of(store) == {}
    newest, oldest = list_events(store, limit=9)
    assert (oldest.before, oldest.after, oldest.reason, oldest.at_ms) == ("enabled", "draining", "bill", 7)
    assert (newest.before, newest.after, newest.kind) == ("draining", "enabled", "state")
    assert notices_of(store) == [("channel", ""), ("channel", "main")]


def test_enabling_what_is_enabled_is_told_and_no_event(store: Store) -> None:
    """The servers then forget what they hold against it."""
    set_by_hand(store, "main", "", "enabled", now_ms=8)
    assert notices_of(store) == [("channel", "main")]
    assert list_events(store, limit=9) == []


def test_the_relay_takes_back_only_its_own_word(store: Store) -> None:
    with store.begin() as connection:
        assert note_out(connection, "main", "one", reason="401", process_id="prc_1", now_ms=1)
        assert not note_out(connection, "main", "one", reason="401", process_id="prc_2", now_ms=2)
    set_by_hand(store, "main", "one", "disabled", now_ms=3)
    with store.begin() as connection:
        assert not note_out(connection, "main", "one", reason="401", process_id="prc_1", now_ms=4)
        assert not note_back(connection, "main", "one", reason="probe", process_id="prc_1", now_ms=5)
    assert states_of(store) == {("main", "one"): "disabled"}
    set_by_hand(store, "main", "one", "enabled", now_ms=6)
    with store.begin() as connection:
        note_out(connection, "main", "one", reason="quota", process_id="prc_1", now_ms=7)
    assert states_of(store) == {("main", "one"): "out"}
    with store.begin() as connection:
        assert note_back(connection, "main", "one", reason="probe", process_id="prc_2", now_ms=8)
    assert states_of(store) == {}
    told = [(one.process_id, one.kind, one.before, one.after) for one in list_events(store, limit=9)]
    assert told == [
        ("prc_2", "credential", "out", "enabled"),
        ("prc_1", "credential", "enabled", "out"),
        ("", "state", "disabled", "enabled"),
        ("", "state", "out", "disabled"),
        ("prc_1", "credential", "enabled", "out"),
    ]


def test_a_channel_that_is_gone_leaves_no_state(store: Store, box: SecretBox) -> None:
    set_by_hand(store, "main", "", "disabled", now_ms=1)
    set_by_hand(store, "main", "one", "disabled", now_ms=1)
    set_by_hand(store, "spare", "", "disabled", now_ms=1)
    service.remove(store, box, "channel", "main", now_ms=2)
    assert states_of(store) == {("spare", ""): "disabled"}
    with store.begin() as connection:  # a server that had not heard of it yet
        note_out(connection, "main", "default", reason="401", process_id="prc_1", now_ms=3)
    service.put(store, box, "channel", "main", {"base_url": "http://127.0.0.1:1/v1"}, now_ms=4)
    assert states_of(store) == {("spare", ""): "disabled"}


def test_a_credential_that_is_gone_leaves_no_state(store: Store, box: SecretBox) -> None:
    set_by_hand(store, "main", "", "draining", now_ms=1)
    set_by_hand(store, "main", "one", "disabled", now_ms=1)
    service.put(store, box, "channel", "main", {"base_url": "http://127.0.0.1:1/v1"}, now_ms=2)
    assert states_of(store) == {("main", ""): "draining"}


def test_applying_the_configuration_leaves_what_was_set_by_hand(store: Store, box: SecretBox) -> None:
    set_by_hand(store, "spare", "", "draining", now_ms=1)
    service.put(store, box, "channel", "spare", {"base_url": "http://127.0.0.1:2/v1"}, now_ms=2)
    assert states_of(store) == {("spare", ""): "draining"}


@pytest.mark.parametrize(
    ("channel", "credential", "problem"),
    [
        ("mian", "", "there is no channel 'mian'; did you mean 'main'?"),
        ("main", "two", "channels.main.credentials: there is none named 'two': one"),
        ("spare", "two", "channels.spare.credentials: there is none named 'two': default"),
    ],
)
def test_what_is_not_there_is_not_set_apart(
    store: Store, channel: str, credential: str, problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(problem)):
        set_by_hand(store, channel, credential, "disabled", now_ms=1)
    assert states_of(store) == {}
    assert notices_of(store) == []


def test_events_by_channel_and_time(store: Store) -> None:
    def event(channel: str, at_ms: int) -> ChannelEvent:
        return ChannelEvent(channel=channel, at_ms=at_ms, kind="breaker", model="gpt-4o", after="open")

    with store.begin() as connection:
        add_events(connection, [event("a", 1), event("b", 2), event("a", 3)])
    assert [one.at_ms for one in list_events(store, limit=2)] == [3, 2]
    assert [one.at_ms for one in list_events(store, channel="a", limit=9)] == [3, 1]
    assert [one.at_ms for one in list_events(store, since_ms=2, limit=9)] == [3, 2]


def test_the_oldest_events_go(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "EVENTS_MAX", 3)
    with store.begin() as connection:
        for at_ms in range(5):
            add_events(connection, [ChannelEvent(channel="a", at_ms=at_ms, kind="model")])
    assert [one.at_ms for one in list_events(store, limit=9)] == [4, 3, 2]


def test_the_catalogue_knows_what_is_set_apart(store: Store) -> None:
    set_by_hand(store, "main", "", "draining", now_ms=1)
    set_by_hand(store, "spare", "", "disabled", now_ms=1)
    set_by_hand(store, "main", "one", "disabled", now_ms=1)
    main, spare = load_catalogue(store).channels
    assert (main.offers("gpt-4o"), main.draining) == (True, True)
    assert (spare.offers("gpt-4o"), spare.draining) == (False, False)
    set_by_hand(store, "main", "", "enabled", now_ms=2)
    assert not load_catalogue(store).channels[0].draining
