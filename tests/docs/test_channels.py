"""docs/channels.md shows the tables of the code, whole."""

import re
from typing import get_args

import pytest
from tests.docs.pages import code_of, read, rows_of, section_of

from posthouse.catalogue.events import EVENTS_MAX, EventKind
from posthouse.routing.health import FAILURES, TRANSITIONS, State
from posthouse.routing.pools import (
    PROBE_MAX_S,
    PROBE_S,
    PROVEN_S,
    REST_MAX_S,
    REST_S,
    RETRY_AFTER_MAX_S,
    CredentialState,
)
from posthouse.routing.verdicts import NEXT, STATUSES, Next, Verdict

PAGES = {
    "": {
        "health": ("Health", "state"),
        "moves": ("Moves", "state"),
        "probes": ("Probes", ""),
        "failover": ("Failover", "verdict"),
        "credentials": ("Credentials", "state"),
        "events": ("Events", "event"),
        "next": {
            Next.CALLER: "the caller gets it",
            Next.CREDENTIAL: "another credential, else another channel",
            Next.CHANNEL: "another channel",
        },
        "counts": ("a failure", "nothing"),
    },
    ".zh": {
        "health": ("健康", "状态"),
        "moves": ("状态变化", "状态"),
        "probes": ("探测", ""),
        "failover": ("故障转移", "结论"),
        "credentials": ("凭据", "状态"),
        "events": ("事件", "事件"),
        "next": {
            Next.CALLER: "交给调用方",
            Next.CREDENTIAL: "另一个凭据，否则另一个渠道",
            Next.CHANNEL: "另一个渠道",
        },
        "counts": ("一次失败", "不计"),
    },
}
EACH_LANGUAGE = pytest.mark.parametrize("suffix", PAGES)


def rows(suffix: str, table: str) -> list[list[str]]:
    title, column = PAGES[suffix][table]
    return rows_of(section_of(read(f"docs/channels{suffix}.md"), title), column)


@EACH_LANGUAGE
def test_the_moves_are_the_breakers(suffix: str) -> None:
    shown = {(code_of(row[0])[0], code_of(row[1])[0]): code_of(row[2])[0] for row in rows(suffix, "moves")}
    assert shown == {key: after.value for key, after in TRANSITIONS.items()}


@EACH_LANGUAGE
def test_the_states_are_the_breakers(suffix: str) -> None:
    assert [code_of(row[0])[0] for row in rows(suffix, "health")] == list(State)


@EACH_LANGUAGE
def test_the_states_are_the_credentials(suffix: str) -> None:
    assert [code_of(row[0])[0] for row in rows(suffix, "credentials")] == list(CredentialState)


@EACH_LANGUAGE
def test_the_events_are_those_that_are_kept(suffix: str) -> None:
    assert {code_of(row[0])[0] for row in rows(suffix, "events")} == set(get_args(EventKind))
    assert f"{EVENTS_MAX:,}" in read(f"docs/channels{suffix}.md")


@EACH_LANGUAGE
def test_the_times_are_the_credentials(suffix: str) -> None:
    page = read(f"docs/channels{suffix}.md")
    text = " ".join(section_of(page, PAGES[suffix][part][0]) for part in ("credentials", "probes"))
    seconds = {int(number) for number in re.findall(r"(\d+) (?:s\b|秒)", text)}
    assert seconds == {REST_S, REST_MAX_S, PROVEN_S, PROBE_S}
    minutes = {60 * int(number) for number in re.findall(r"(\d+) (?:minutes|分钟)", text)}
    assert minutes == {RETRY_AFTER_MAX_S, PROBE_MAX_S}


@EACH_LANGUAGE
def test_each_verdict_stands_with_what_follows(suffix: str) -> None:
    following, (failure, nothing) = PAGES[suffix]["next"], PAGES[suffix]["counts"]
    table = {Verdict(code_of(row[0])[0]): row for row in rows(suffix, "failover")}
    assert table.keys() == set(Verdict)
    for verdict, row in table.items():
        assert re.split("，并|, and", row[3])[0] == following[NEXT[verdict]], verdict
        assert row[4].startswith(failure) is (verdict in FAILURES), verdict
        assert row[4] != nothing or verdict not in FAILURES | {Verdict.OK, Verdict.RATE_LIMITED}, verdict
        named = [int(status) for status in re.findall(r"\b[45]\d\d\b", row[1])]
        assert named == [status for status, of in STATUSES.items() if of is verdict], verdict
