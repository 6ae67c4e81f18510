"""apply, channel, model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from posthouse.testing.upstream import Script, ScriptedUpstream

Cli = Callable[..., Result]
Ask = Callable[..., Any]


def test_apply_shows_the_difference_and_then_makes_it(
    cli: Cli, ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SECRET", "canary-credential")
    file = tmp_path / "operator.toml"
    file.write_text(
        '[plans.free]\nkind = "free"\n'
        '[channels.main]\nbase_url = "http://127.0.0.1:1/v1"\ncredential = "${SECRET}"\n'
    )
    planned = cli("apply", str(file), "--dry-run")
    assert "+ plans.free" in planned.stdout
    assert "nothing was changed" in planned.stderr
    assert ask("channel", "list") == []

    done = ask("apply", str(file))
    assert done["dry_run"] is False
    assert [(change["kind"], change["name"], change["action"]) for change in done["changes"]] == [
        ("plan", "free", "add"),
        ("channel", "main", "add"),
    ]
    assert ask("apply", str(file))["changes"] == []
    assert "no difference" in cli("apply", str(file)).stderr
    assert "canary" not in planned.output + str(done)


def test_a_wheel_has_the_examples_in_it(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is said to do first works wherever it is done; a file that is there goes before."""
    shipped = tmp_path / "package" / "examples" / "minimal.toml"
    shipped.parent.mkdir(parents=True)
    shipped.write_text('[plans.free]\nkind = "free"\n')
    monkeypatch.setattr("posthouse.cli.apply.PACKAGE", tmp_path / "package")
    monkeypatch.chdir(tmp_path)
    assert "+ plans.free" in cli("apply", "examples/minimal.toml").stdout
    cli("apply", "minimal.toml", status=1)
    own = tmp_path / "examples" / "minimal.toml"
    own.parent.mkdir()
    own.write_text('[plans.own]\nkind = "free"\n')
    assert "+ plans.own" in cli("apply", "examples/minimal.toml").stdout


def test_apply_names_the_line_at_fault(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "operator.toml"
    file.write_text('[plans.free]\nkind = "free"\nmodles = ["*"]\n')
    refused = cli("apply", str(file), status=1)
    assert f"{file}:3: plans.free" in refused.stderr
    assert "did you mean 'models'?" in refused.stderr


def test_apply_of_no_file_and_of_no_text(cli: Cli, tmp_path: Path) -> None:
    assert "No such file or directory" in cli("apply", str(tmp_path / "none.toml"), status=1).stderr
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    assert "is not UTF-8" in cli("apply", str(tmp_path / "binary.toml"), status=1).stderr


def test_models_with_their_plans_and_prices(configured: Cli, ask: Ask) -> None:
    models = {model["model"]: model for model in ask("model", "list")}
    assert set(models) == {"gpt-4o-mini", "text-embedding-3-small"}
    assert models["gpt-4o-mini"]["channels"] == ["main"]
    paid = {
        line["component"]: line["nanos"]
        for line in models["gpt-4o-mini"]["plans"]["paid"]
        if line["service_tier"] == "default"
    }
    assert (paid["input"], paid["output"]) == (150_000_000, 600_000_000)

    table = configured("model", "list", "--plan", "paid").stdout
    assert table.split() == [
        "model", "family", "plan", "input", "output", "channels",
        "gpt-4o-mini", "other", "paid", "0.15", "0.60", "main",
        "text-embedding-3-small", "other", "paid", "0.02", "0.00", "main",
    ]  # fmt: skip
    assert "plans: free, paid" in configured("model", "list", "--plan", "gold", status=1).stderr


def test_no_models_say_how_to_make_some(cli: Cli) -> None:
    assert "posthouse apply" in cli("model", "list").stdout


def test_channels_come_and_go(configured: Cli, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKUP_KEY", "canary-backup")
    options = ("--base-url", "https://upstream.test/v1", "--credential-env", "BACKUP_KEY", "--priority", "5")
    assert "dry run" in configured("channel", "add", "backup", *options, "--dry-run").stderr
    configured("channel", "add", "backup", *options, "--model", "gpt-*,o3", "--map", "gpt-4o=gpt-4o-eu")
    added = ask("channel", "list")[1]
    assert added["name"] == "backup"
    assert added["models"] == ["gpt-*", "o3"]
    assert added["model_map"] == {"gpt-4o": "gpt-4o-eu"}
    assert added["credentials"] == ["default"]

    assert "--replace" in configured("channel", "add", "backup", *options, status=1).stderr
    configured("channel", "add", "backup", *options, "--replace")
    assert ask("channel", "list")[1]["models"] == ["*"]

    table = configured("channel", "list").stdout
    assert [line.split()[0] for line in table.splitlines()] == ["name", "main", "backup"]
    assert "canary" not in table

    configured("channel", "remove", "backup")
    assert [one["name"] for one in ask("channel", "list")] == ["main"]
    assert "there is no channel 'backup'" in configured("channel", "remove", "backup", status=1).stderr


def test_a_preset_knows_the_address(cli: Cli, ask: Ask) -> None:
    cli("channel", "add", "a", "--preset", "deepseek", "--no-credential")
    url = "https://me.openai.azure.com"
    cli(
        "channel", "add", "b", "--preset", "azure", "--base-url", url, "--api-version", "2", "--no-credential"
    )
    assert [(one["preset"], one["base_url"]) for one in ask("channel", "list")] == [
        ("deepseek", "https://api.deepseek.com"),
        ("azure", url),
    ]
    unknown = cli("channel", "add", "c", "--preset", "deepsek", "--no-credential", status=1).stderr
    assert "there is no preset 'deepsek'; did you mean 'deepseek'?" in unknown
    assert "base_url: is missing" in cli("channel", "add", "c", "--no-credential", status=1).stderr


def test_a_credential_comes_from_a_file_or_standard_input(cli: Cli, ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("canary\n")
    url = ("--base-url", "https://upstream.test/v1")
    cli("channel", "add", "a", *url, "--credential-file", str(tmp_path / "secret"))
    cli("channel", "add", "b", *url, "--credential-file", "-", stdin="canary\n")
    cli("channel", "add", "c", *url, "--no-credential")
    assert {one["name"]: bool(one["credentials"]) for one in ask("channel", "list")} == {
        "a": True,
        "b": True,
        "c": False,
    }
    assert "--credential-env" in cli("channel", "add", "d", *url, status=1).stderr
    assert "is empty" in cli("channel", "add", "d", *url, "--credential-env", "NOT_SET", status=1).stderr
    assert (
        "not MODEL=UPSTREAM"
        in cli("channel", "add", "d", *url, "--no-credential", "--map", "x", status=2).stderr
    )


def test_a_channel_that_works_and_one_that_refuses(cli: Cli, ask: Ask) -> None:
    with ScriptedUpstream(credential="right", models=("a", "b")) as upstream:
        for name, secret in (("good", "right"), ("bad", "wrong")):
            cli(
                "channel",
                "add",
                name,
                "--base-url",
                upstream.base_url,
                "--credential-file",
                "-",
                stdin=secret,
            )
        found = ask("channel", "test", "good")
        assert (found["status"], found["models"], found["fault"]) == (200, 2, "")
        assert upstream.received[-1].header("authorization") == "Bearer right"
        assert "2 models" in cli("channel", "test", "good").stdout
        assert "set the channel's credential again" in cli("channel", "test", "bad", status=1).stdout
        upstream.enqueue(Script(status=500))
        assert "answers 500" in cli("channel", "test", "good", status=1).stdout


def test_a_channel_that_is_not_there(configured: Cli) -> None:
    assert "connect" in configured("channel", "test", "main", status=1).stdout
    assert "there is no channel 'none'" in configured("channel", "test", "none", status=1).stderr


def test_what_is_exported_is_applied_with_no_difference(configured: Cli, ask: Ask, tmp_path: Path) -> None:
    file = tmp_path / "exported.toml"
    configured("export", str(file))
    assert configured("export").stdout == file.read_text() == ask("export")["toml"]
    assert "canary" not in file.read_text()
    assert ask("apply", str(file))["changes"] == []
    assert "there is already" in configured("export", str(file), status=1).stderr
