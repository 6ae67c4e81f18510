"""channel status, on what servers would answer; that they do answer is shown in tests/relay and tests/e2e."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import Result

from posthouse.catalogue.standings import (
    Answers,
    ChannelStanding,
    CredentialStanding,
    ModelStanding,
    Report,
)
from posthouse.cli import channel_status
from posthouse.kernel.clock import now_ms

Cli = Callable[..., Result]
Ask = Callable[..., Any]
Answering = Callable[[Answers], None]

CLOSED = ModelStanding("gpt-4o-mini", "closed", "", 0, 0.25, 8, 2, 120, 900)


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Answering:
    """Servers that answer so."""

    def answer(answers: Answers) -> None:
        monkeypatch.setattr(channel_status, "ask_reports", lambda *_, **__: answers)

    return answer


def report(*models: ModelStanding, process_id: str = "prc_1") -> Report:
    credentials = (
        CredentialStanding("one", "in", "", 2, 0, 0, ("gpt-4o",)),
        CredentialStanding("two", "out", "quota", 0, 0, 0),
    )
    return Report(process_id, now_ms(), (ChannelStanding("main", models, credentials),))


def test_without_a_server_it_shows_what_the_store_knows(configured: Cli, ask: Ask) -> None:
    shown = configured("channel", "status")
    assert shown.stdout.splitlines()[1].split() == ["main", "enabled", "default", "in"]
    assert "no server runs" in shown.stderr
    configured("channel", "drain", "main", "--reason", "the bill")
    configured("channel", "disable", "main", "--credential", "default")
    (one,) = ask("channel", "status")
    assert (one["state"], one["why"], one["process_id"]) == ("draining", "the bill", "")
    assert [(each["name"], each["state"]) for each in one["credentials"]] == [("default", "disabled")]


def test_no_channels_say_how_to_add_one(cli: Cli) -> None:
    assert "posthouse channel add" in cli("channel", "status", "--once").stdout


def test_a_channel_with_its_models_and_credentials(configured: Cli, ask: Ask, answering: Answering) -> None:
    opened = ModelStanding("gpt-4o", "open", "5 failures in a row", now_ms() + 9_500, 1.0, 5, 0, 0, 0)
    answering(Answers((report(CLOSED, opened),), 0))
    header, first, second = configured("channel", "status").stdout.splitlines()
    assert " ".join(header.split()) == (
        "channel model state why errors calls TTFT p50 TTFT p99 in flight credentials"
    )
    assert " ".join(first.split()) == (
        "main gpt-4o-mini closed 25% 8 120 ms 900 ms 2 "
        "one in · 2 in flight · rests for gpt-4o, two out (quota)"
    )
    assert " ".join(second.split()) == "main gpt-4o open 5 failures in a row; tried again in 9 s 100% 5 0"
    (one,) = ask("channel", "status")
    assert [each["model"] for each in one["models"]] == ["gpt-4o-mini", "gpt-4o"]
    assert one["models"][0]["ttft_p99_ms"] == 900


def test_what_is_set_apart_goes_before_the_breaker(configured: Cli, answering: Answering) -> None:
    configured("channel", "drain", "main")
    answering(Answers((report(CLOSED),), 0))
    row = configured("channel", "status").stdout.splitlines()[1]
    assert row.split()[:5] == ["main", "gpt-4o-mini", "draining", "by", "hand"]


def test_several_servers_are_told_apart_and_silent_ones_counted(
    configured: Cli, answering: Answering
) -> None:
    answering(Answers((report(CLOSED), report(CLOSED, process_id="prc_222222")), 1))
    shown = configured("channel", "status")
    assert [line.split()[:2] for line in shown.stdout.splitlines()[1:]] == [
        ["main", "@prc_1"],
        ["main", "@222222"],
    ]
    assert "1 of 3 servers did not answer" in shown.stderr


def test_it_is_shown_again_and_again_until_ctrl_c(
    configured: Cli, answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(Answers((report(CLOSED),), 0))
    waits_s: list[float] = []

    def wait(seconds: float) -> None:
        waits_s.append(seconds)
        if len(waits_s) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", wait)
    shown = configured("channel", "status", "--watch").stdout
    assert "gpt-4o-mini" in shown
    assert waits_s == [channel_status.EVERY_S] * 3
