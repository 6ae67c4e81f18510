"""The reference tables are complete and true: what the code has stands in them, and nothing else."""

import ast
import asyncio
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
import pytest
from prometheus_client.core import Metric
from tests.docs.pages import ROOT, code_of, read, rows_of, section_of
from typer.main import get_command

from posthouse.bootstrap import running
from posthouse.catalogue.rules import (
    ChannelDef,
    FamilyDef,
    LimitDef,
    ModelDef,
    OperatorDef,
    PlanDef,
    PriceDef,
)
from posthouse.catalogue.service import put
from posthouse.catalogue.site import (
    MailDef,
    OidcDef,
    ReferralDef,
    RegistrationDef,
    SignInDef,
    SiteDef,
    TopupDef,
)
from posthouse.cli import app
from posthouse.kernel.outcome import AttemptRecord, Ending, Outcome
from posthouse.kernel.secrets import SecretBox
from posthouse.kernel.settings import Settings
from posthouse.limits.rules import Quota, quota_headers
from posthouse.routing.channels import ChannelSpec, CredentialDef
from posthouse.routing.health import HealthPolicy
from posthouse.routing.verdicts import Verdict
from posthouse.store.engine import open_store
from posthouse.upstream.errors import Fault

SOURCES = [path for path in sorted((ROOT / "src").rglob("*.py")) if "testing" not in path.parts]

# The words that a test must find, in each language: titles, first columns, how "nothing" is written.
_WORDS = {
    "suffix": ("", ".zh"),
    "none": ("none", "无"),
    "empty": ("empty", "空"),
    "required": ("required", "必填"),
    "commands": ("Commands", "命令"),
    "settings": ("Settings", "设置"),
    "metrics": ("Metrics", "指标"),
    "logs": ("Logs", "日志"),
    "proof": ("Proving the books", "对账"),
    "prices": ("Prices", "价格"),
    "command": ("command", "命令"),
    "setting": ("setting", "设置"),
    "metric": ("metric", "指标"),
    "event": ("event", "事件"),
    "field": ("field", "字段"),
    "name": ("name", "名称"),
    "the preset's": ("the preset's", "预设所定"),
}
EN, ZH = ({word: texts[i] for word, texts in _WORDS.items()} for i in (0, 1))
Words = dict[str, str]
LANGUAGES = pytest.mark.parametrize("words", [EN, ZH], ids=["en", "zh"])


def operations(words: Words) -> str:
    return read(f"docs/operations{words['suffix']}.md")


def shown(value: Any, words: Words) -> str:
    """How a table writes a default."""
    if value in ("", (), None, {}) or isinstance(value, msgspec.Struct):
        return words["none"]
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float):
        return f"`{value:g}`"
    if isinstance(value, tuple):
        return "`[" + ", ".join(f'"{one}"' for one in value) + "]`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


# -- settings ------------------------------------------------------------------------------------------------


@LANGUAGES
def test_every_setting_stands_with_its_default(words: Words) -> None:
    rows = rows_of(section_of(operations(words), words["settings"]), words["setting"])
    defaults = Settings()
    expected = {}
    for name in Settings.__struct_fields__:
        value = getattr(defaults, name)
        text = f"{value:g}" if isinstance(value, float) else str(value)
        expected[f"`POSTHOUSE_{name.upper()}`"] = words["empty"] if value in ("", ()) else f"`{text}`"
    assert {row[0]: row[1] for row in rows} == expected


# -- metrics -------------------------------------------------------------------------------------------------

CALL = Outcome(
    request_id="req_1",
    ending=Ending.COMPLETED,
    http_status=200,
    stream=True,
    ttft_ms=5,
    attempts=(AttemptRecord("main", 200, "", 5, "default", "ok", 4),),
)


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> list[Metric]:
    """What a serving process exposes after one call."""

    async def collect() -> list[Metric]:
        settings = Settings(data=tmp_path_factory.mktemp("data"))
        store = open_store(settings.database_url)
        fields = {"base_url": "http://127.0.0.1:1/v1"}
        put(store, SecretBox(bytes(32)), "channel", "main", fields, now_ms=1)
        store.close()
        async with running(settings) as relay:
            relay.relay._forwarder._router._health.begin("main", "gpt-4o", HealthPolicy(), 0.0)
            relay.relay._forwarder._client.origin(ChannelSpec(name="one", base_url="http://127.0.0.1:1"))
            relay.observer._write = lambda _: None
            relay.observer.finished(CALL)
            relay.observer.flush()
            return await asyncio.to_thread(lambda: list(relay.observer.collect()))

    return asyncio.run(collect())


@LANGUAGES
def test_every_metric_stands_with_its_type_and_labels(words: Words, metrics: list[Metric]) -> None:
    rows = rows_of(section_of(operations(words), words["metrics"]), words["metric"])
    documented = {row[0].strip("`"): (row[1], set(code_of(row[2]))) for row in rows}
    exposed = {}
    for metric in metrics:
        labels = {label for sample in metric.samples for label in sample.labels} - {"le"}
        name = metric.name + ("_total" if metric.type == "counter" else "")
        exposed[name] = (metric.type, labels)
    assert documented == exposed


@LANGUAGES
def test_every_fault_is_named(words: Words) -> None:
    assert {fault.value for fault in Fault} <= set(code_of(section_of(operations(words), words["metrics"])))


@LANGUAGES
def test_every_verdict_is_named(words: Words) -> None:
    assert {verdict.value for verdict in Verdict} <= set(
        code_of(section_of(operations(words), words["metrics"]))
    )


# -- logs ----------------------------------------------------------------------------------------------------


@cache
def calls_in_sources() -> tuple[tuple[str, list[str]], ...]:
    """Each call's function, as written, with the texts among its arguments."""
    calls = (
        node
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
    )
    return tuple((ast.unparse(call.func), list(_texts(call))) for call in calls)


def _texts(call: ast.Call) -> Iterator[str]:
    for one in call.args:
        if isinstance(one, ast.Constant) and isinstance(one.value, str):
            yield one.value


@LANGUAGES
def test_every_log_event_stands(words: Words) -> None:
    rows = rows_of(section_of(operations(words), words["logs"]), words["event"])
    logged = re.compile(r"log\.\w+|_logged|structlog\.get_logger\(\)\.log")
    events = {texts[0] for function, texts in calls_in_sources() if logged.fullmatch(function) and texts}
    assert {row[0].strip("`") for row in rows} == events | {"request_finished"}


@LANGUAGES
def test_every_field_of_a_finished_request_stands(words: Words) -> None:
    rows = rows_of(section_of(operations(words), words["logs"]), words["field"])
    fields = [field for row in rows for field in code_of(row[0])]
    assert sorted(fields) == sorted(Outcome.__struct_fields__)


@LANGUAGES
def test_everything_that_verify_can_name_stands(words: Words) -> None:
    rows = rows_of(section_of(operations(words), words["proof"]), words["name"])
    named = {texts[0] for function, texts in calls_in_sources() if function == "Difference" and texts}
    assert {row[0].strip("`") for row in rows} == named


# -- commands ------------------------------------------------------------------------------------------------


def commands(command: Any, path: str = "posthouse") -> Iterator[tuple[str, Any]]:
    """Every command that does something, by what is typed."""
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, below in command.commands.items():
        yield from commands(below, f"{path} {name}")


@LANGUAGES
def test_every_command_stands_and_has_the_options_that_are_named(words: Words) -> None:
    rows = rows_of(section_of(operations(words), words["commands"]), words["command"])
    known = dict(commands(get_command(app)))
    documented = {re.match(r"[a-z ]*[a-z]", code_of(row[0])[0])[0]: row for row in rows}
    assert documented.keys() == known.keys()
    for name, row in documented.items():
        parameters = known[name].params
        options = {option for one in parameters for option in (*one.opts, *one.secondary_opts)}
        assert set(re.findall(r"--[a-z-]+", " ".join(row))) <= options, name


# -- the configuration ---------------------------------------------------------------------------------------

_OF_THE_PRESET = (
    *("base_url", "api_version", "dialects", "connect_s", "tls_s", "header_s"),
    *("first_byte_s", "idle_s", "total_s", "connection_idle_s", "connections_max"),
)
# Fields that are kept apart from their definition.
_SECRETS = {
    "[channels.NAME]": "credential",
    "[[channels.NAME.credentials]]": "credential",
    "[site.mail]": "password",
    "[site.sign_in]": "github_client_secret",
    "[[site.sign_in.oidc]]": "client_secret",
}
DEFINITIONS = {
    "[operator]": OperatorDef,
    "[site]": SiteDef,
    "[site.mail]": MailDef,
    "[site.sign_in]": SignInDef,
    "[[site.sign_in.oidc]]": OidcDef,
    "[site.registration]": RegistrationDef,
    "[site.referral]": ReferralDef,
    "[site.topup]": TopupDef,
    "[families.NAME]": FamilyDef,
    "[models.NAME]": ModelDef,
    "prices": PriceDef,
    "[plans.NAME]": PlanDef,
    "[[plans.NAME.limits]]": LimitDef,
    "[channels.NAME]": ChannelDef,
    "[[channels.NAME.credentials]]": CredentialDef,
    "[channels.NAME.health]": HealthPolicy,
}


@LANGUAGES
@pytest.mark.parametrize("title", DEFINITIONS)
def test_every_field_of_the_configuration_stands_with_its_default(words: Words, title: str) -> None:
    page = read(f"docs/configuration{words['suffix']}.md")
    rows = rows_of(section_of(page, words.get(title, title)), words["field"])
    expected = {}
    for field in msgspec.structs.fields(DEFINITIONS[title]):
        factory = field.default_factory
        default = field.default if factory is msgspec.NODEFAULT else factory()
        expected[f"`{field.name}`"] = words["required"] if field.required else shown(default, words)
    if title == "[channels.NAME]":
        del expected["`name`"]  # stands in the heading
        for field in _OF_THE_PRESET:
            expected[f"`{field}`"] = words["the preset's"]
    if title in _SECRETS:
        expected[f"`{_SECRETS[title]}`"] = words["none"]
    assert {row[0]: row[1] for row in rows} == expected


# -- where things are ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["docs/design.md", "docs/channels.md", "docs/channels.zh.md"])
def test_files_that_a_page_names_are_there(page: str) -> None:
    """A file's path of two parts and more is one of the sources' or of the whole tree."""
    folders = (ROOT / "src/posthouse", ROOT / "console", ROOT)
    for path in re.findall(r"`([a-z_]+/[a-z0-9_./-]+[.][a-z]+)`", read(page)):
        assert any((folder / path).exists() for folder in folders), path


# -- the glossary --------------------------------------------------------------------------------------------


def test_every_kind_of_id_stands_in_the_glossary() -> None:
    rows = rows_of(section_of(read("docs/design.md"), "Glossary"), "id")
    made = {texts[0] for function, texts in calls_in_sources() if function == "new_id" and texts}
    assert {row[0].strip("`") for row in rows} == {f"{kind}_" for kind in made | {"req"}}


def test_every_ending_stands_in_the_design() -> None:
    rows = rows_of(section_of(read("docs/design.md"), "Money"), "the call ended")
    assert {code_of(row[0])[0] for row in rows} == {ending.value for ending in Ending}


@pytest.mark.parametrize("page", ["docs/members.md", "docs/members.zh.md", "docs/design.md"])
def test_headers_that_a_page_names_are_sent(page: str) -> None:
    quota = Quota(1, 1, 1)
    sources = "\n".join(path.read_text("utf-8") for path in SOURCES) + quota_headers(quota, quota).decode()
    for header in re.findall(r"`(x-[a-z-]+|retry-after|idempotency-replayed)[`:]", read(page)):
        assert f"{header}: " in sources or f'"{header}"' in sources, header
