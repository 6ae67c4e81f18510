"""channel enable, disable, drain, events."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

Cli = Callable[..., Result]
Ask = Callable[..., Any]


def test_a_channel_is_drained_and_enabled_again(configured: Cli, ask: Ask) -> None:
    assert configured("channel", "drain", "main", "--reason", "bill").stdout == (
        "main is draining, and was enabled\n"
    )
    assert [one["state"] for one in ask("channel", "list")] == ["draining"]
    assert configured("channel", "disable", "main").stdout == "main is disabled, and was draining\n"
    assert "disabled" in configured("channel", "list").stdout
    assert configured("channel", "disable", "main").stdout == "main is disabled already\n"
    told = ask("channel", "enable", "main")
    assert told == {"channel": "main", "credential": "", "before": "disabled", "after": "enabled"}


def test_one_credential_is_disabled(configured: Cli) -> None:
    told = configured("channel", "disable", "main", "--credential", "default").stdout
    assert told == "main's credential default is disabled, and was enabled\n"


@pytest.mark.parametrize("command", ["enable", "disable", "drain"])
def test_a_channel_that_is_not_there(configured: Cli, command: str) -> None:
    refused = configured("channel", command, "mian", status=1).stderr
    assert "there is no channel 'mian'; did you mean 'main'?" in refused


def test_enabling_what_its_definition_disables_says_so(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "operator.toml"
    file.write_text('[channels.main]\nbase_url = "http://127.0.0.1:1/v1"\nenabled = false\n')
    cli("apply", str(file))
    assert "`enabled = false`" in cli("channel", "enable", "main").stderr


def test_events_tell_what_happened_newest_first(configured: Cli, ask: Ask) -> None:
    assert configured("channel", "events").stdout == "nothing has happened\n"
    configured("channel", "drain", "main", "--reason", "the bill")
    configured("channel", "enable", "main")
    newest, oldest = ask("channel", "events")
    assert (oldest["channel"], oldest["before"], oldest["after"]) == ("main", "enabled", "draining")
    assert (oldest["reason"], newest["after"]) == ("the bill", "enabled")
    assert ask("channel", "events", "spare") == []
    assert len(ask("channel", "events", "main", "--limit", "1")) == 1
    assert ask("channel", "events", "--since", "2999-01-01") == []
    table = configured("channel", "events").stdout.splitlines()
    assert table[0].split() == [
        *("time", "channel", "model", "credential", "what", "before", "after", "why", "by")
    ]
    assert table[2].split()[2:] == ["main", "state", "enabled", "draining", "the", "bill", "hand"]
