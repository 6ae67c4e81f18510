"""`posthouse doctor`: looks at everything that a relay needs, and says what to do about what is missing."""

import http.client
import os
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator

import msgspec
import typer
from sqlalchemy import func, select

from posthouse.catalogue import queries
from posthouse.catalogue.compiled import Catalogue
from posthouse.catalogue.sealed import load_credentials
from posthouse.catalogue.states import load_states
from posthouse.cli import output
from posthouse.cli.desk import Desk, command
from posthouse.kernel.clock import now_ms
from posthouse.kernel.errors import PosthouseError
from posthouse.kernel.secrets import MASTER_KEY, OLD_MASTER_KEY
from posthouse.kernel.settings import Settings
from posthouse.metering.tokens import TokenCounter
from posthouse.payments.proof import verify_all
from posthouse.store.schema import changes

CLOCK_AHEAD_MS_MAX = 60_000  # two machines' clocks may differ by this much and no more
ANSWER_TIMEOUT_S = 2.0  # of a server on this machine

MODELS_TO_COUNT = ("gpt-4o", "gpt-4")  # one for each vocabulary: o200k and cl100k


class Finding(msgspec.Struct, frozen=True):
    """What was looked at, whether it is well, what was seen, and what to do where it is not."""

    check: str
    ok: bool
    detail: str
    remedy: str = ""


def add_to(app: typer.Typer) -> None:
    command(app)(doctor)


def doctor(desk: Desk) -> None:
    """Look at everything that the relay needs; the exit status is 0 only when all is well."""
    findings = [finding for check in CHECKS for finding in _looked(check, desk)]

    def show() -> None:
        for finding in findings:
            output.print_line(f"{'✓' if finding.ok else '✗'} {finding.check}: {finding.detail}")
            if finding.remedy:
                output.print_line(f"    {finding.remedy}")

    desk.answer(findings, show)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def _looked(check: Callable[[Desk], Iterator[Finding]], desk: Desk) -> Iterator[Finding]:
    """A check's findings; a fault on the way is one."""
    name = check.__name__.strip("_").replace("_", " ")
    try:
        yield from check(desk)
    except (PosthouseError, OSError) as error:
        yield Finding(name, False, str(error), getattr(error, "next_step", ""))


def _settings(desk: Desk) -> Iterator[Finding]:
    known = {f"POSTHOUSE_{name.upper()}" for name in Settings.__struct_fields__} | {"POSTHOUSE_TRACEBACK"}
    unknown = sorted(name for name in os.environ if name.startswith("POSTHOUSE_") and name not in known)
    if unknown:
        remedy = f"unset them, or correct them: {', '.join(sorted(known))}"
        yield Finding("settings", False, f"nothing reads {', '.join(unknown)}", remedy)
    else:
        yield Finding("settings", True, "no unknown POSTHOUSE_ variable")


def _data_directory(desk: Desk) -> Iterator[Finding]:
    desk.make_data_directory()
    data = desk.settings.data.absolute()
    with tempfile.TemporaryFile(dir=data) as probe:
        probe.write(b"x")
    mode = stat.S_IMODE(data.stat().st_mode)
    if mode & 0o007:
        yield Finding("data directory", False, f"{data} is open to everyone ({mode:o})", f"chmod 700 {data}")
    else:
        yield Finding("data directory", True, f"{data} takes files")


def _master_key(desk: Desk) -> Iterator[Finding]:
    path, old = desk.settings.data / MASTER_KEY, desk.settings.data / OLD_MASTER_KEY
    _ = desk.box  # read, or made at the first time
    if desk.settings.master_key:
        yield Finding("master key", True, "from POSTHOUSE_MASTER_KEY")
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        yield Finding("master key", False, f"{path} can be read by others ({mode:o})", f"chmod 600 {path}")
    elif old.exists():
        yield Finding("master key", False, "a rotation was not finished", "posthouse secrets rotate")
    else:
        yield Finding("master key", True, f"{path}; keep a copy elsewhere: without it no credential opens")


def _database(desk: Desk) -> Iterator[Finding]:
    kind = "SQLite" if desk.store.is_sqlite else "PostgreSQL"
    yield Finding("database", True, f"{kind} answers, and its tables are up to date")


def _catalogue(desk: Desk) -> Iterator[Finding]:
    catalogue = queries.load_catalogue(desk.store)
    counts = f"{len(catalogue.models())} models, {len(catalogue.plans())} plans"
    if not catalogue.models() or not catalogue.plans():
        remedy = "posthouse apply examples/minimal.toml, or serve --demo"
        yield Finding("catalogue", False, f"{counts}: nothing is for sale", remedy)
        return
    yield Finding("catalogue", True, f"{counts}, prices in {catalogue.operator.currency}")
    unsold = [model.name for model in catalogue.models() if not catalogue.plans_with(model.name)]
    if unsold:
        remedy = "give them a price and a plan, or take them out"
        yield Finding("catalogue", False, f"not for sale: {', '.join(unsold)}", remedy)


def _channels(desk: Desk) -> Iterator[Finding]:
    catalogue = queries.load_catalogue(desk.store)
    sealed = load_credentials(desk.store, desk.box)  # raises where one does not open
    enabled = [channel for channel in catalogue.channels if channel.enabled]
    if not enabled:
        remedy = "posthouse channel add NAME --base-url URL"
        yield Finding("channels", False, "none leads to an upstream", remedy)
    for channel in enabled:
        missing = [one.name for one in channel.credentials if (channel.name, one.name) not in sealed]
        has = f"it has no credential {', '.join(missing)}" if missing else "its credentials open"
        remedy = "well for an upstream that needs none; else channel credential add" if missing else ""
        yield Finding(f"channel {channel.name}", True, f"{channel.base_url}, {has}", remedy)
    yield from _orphans(catalogue)


def _orphans(catalogue: Catalogue) -> Iterator[Finding]:
    """Models that no channel offers."""
    enabled = [channel for channel in catalogue.channels if channel.enabled]
    names = [model.name for model in catalogue.models() if not any(one.offers(model.name) for one in enabled)]
    if enabled and names:
        remedy = "add them to a channel's models, or take them out"
        yield Finding("channels", False, f"none offers {', '.join(names)}", remedy)


def _set_apart(desk: Desk) -> Iterator[Finding]:
    for (channel, credential), one in sorted(load_states(desk.store).items()):
        what = f"its credential {credential} is" if credential else "is"
        detail = f"{what} {one.state} since {output.when(one.since_ms)}" + (
            f": {one.reason}" if one.reason else ""
        )
        back = f"posthouse channel enable {channel}" + (f" --credential {credential}" if credential else "")
        if one.state == "out":
            remedy = f"top it up or replace it; it is tried again by itself, or at once after {back}"
            yield Finding(f"channel {channel}", False, detail, remedy)
        else:
            yield Finding(f"channel {channel}", True, detail, f"to use it again: {back}")


def _tokenizer(desk: Desk) -> Iterator[Finding]:
    counter = TokenCounter()
    for model in MODELS_TO_COUNT:
        counter.count_text(model, "Hello")  # loads the vocabulary, and raises where its hash is another
    yield Finding("tokenizer", True, "both vocabularies have OpenAI's hashes")


def _ledger(desk: Desk) -> Iterator[Finding]:
    differences = verify_all(desk.store)
    if differences:
        yield Finding(
            "ledger", False, f"differences: {len(differences)}", "posthouse ledger verify names them"
        )
    else:
        yield Finding("ledger", True, "every balance is what its rows add up to")


def _clock(desk: Desk) -> Iterator[Finding]:
    with desk.store.read() as connection:
        newest_ms = connection.execute(select(func.max(changes.c.at_ms))).scalar() or 0
    ahead_ms = newest_ms - now_ms()
    if ahead_ms > CLOCK_AHEAD_MS_MAX:
        detail = f"the newest change in the store is {ahead_ms // 1000} s ahead of this machine's clock"
        yield Finding("clock", False, detail, "set the clock, e.g. with an NTP service")
    else:
        yield Finding("clock", True, f"{output.when(now_ms())}")


def _ports(desk: Desk) -> Iterator[Finding]:
    settings = desk.settings
    for name, host, port in (
        ("port", settings.host, settings.port),
        ("ops port", settings.ops_host, settings.ops_port),
    ):
        if _is_free(host, port):
            yield Finding(name, True, f"{host}:{port} is free")
        elif _is_posthouse(settings):
            yield Finding(name, True, f"{host}:{port}: Posthouse is serving there")
        else:
            remedy = f"stop what listens there, or set POSTHOUSE_{name.upper().replace(' ', '_')}"
            yield Finding(name, False, f"{host}:{port} is taken by something else", remedy)


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _is_posthouse(settings: Settings) -> bool:
    """Whether the one who listens there answers as we do: with our error for a path that is none."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - compared, not bound
    connection = http.client.HTTPConnection(host, settings.port, timeout=ANSWER_TIMEOUT_S)
    try:
        connection.request("GET", "/v1/none")
        return b"relay_code" in connection.getresponse().read(4096)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


CHECKS = (
    _settings,
    _data_directory,
    _master_key,
    _database,
    _catalogue,
    _channels,
    _set_apart,
    _tokenizer,
    _ledger,
    _clock,
    _ports,
)
