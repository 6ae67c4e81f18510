"""`posthouse serve`: runs the relay."""

import asyncio
import os
import shlex
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from sqlalchemy import make_url

from posthouse.bootstrap import App
from posthouse.cli import demo as demonstration
from posthouse.cli import output
from posthouse.cli.demo import Demo
from posthouse.cli.desk import Desk, command
from posthouse.cli.settings import settings_of
from posthouse.kernel.secrets import SecretBox
from posthouse.kernel.settings import Settings
from posthouse.people.owners import has_owner, setup_token
from posthouse.server import runner
from posthouse.server.console import is_built

MODEL = "gpt-4o-mini"  # of the example call, where it is for sale


def add_to(app: typer.Typer) -> None:
    command(app)(serve)


def serve(
    desk: Desk,
    *,
    host: Annotated[
        str | None, typer.Option(help="Listen here: else POSTHOUSE_HOST, else 127.0.0.1.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Else POSTHOUSE_PORT, else 8000.")
    ] = None,
    ops_host: Annotated[
        str | None, typer.Option(help="Metrics: else POSTHOUSE_OPS_HOST, else 127.0.0.1.")
    ] = None,
    ops_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Metrics: else POSTHOUSE_OPS_PORT, else 9000.")
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="With a simulated provider, a demo member and a key.")
    ] = False,
) -> None:
    """Serve until told to stop (Ctrl-C or SIGTERM); running calls get to end."""
    settings = settings_of(
        os.environ,
        data=desk.settings.data,
        database=desk.settings.database or None,
        host=host,
        port=port,
        ops_host=ops_host,
        ops_port=ops_port,
    )
    _ = desk.box  # tells of a master key that is none, and makes a private data directory
    held: list[object] = []  # what must live as long as the loop

    async def on_ready(app: App) -> None:
        """Not before the data directory is ours: another server's demo is left alone."""
        member = None
        await asyncio.to_thread(demonstration.remove_channel, desk)
        if demo:
            member = await asyncio.to_thread(demonstration.prepare, desk)
            held.append(await demonstration.start_provider(desk, app))
        greeting = await asyncio.to_thread(greet, settings, app, desk.box, member)
        desk.answer(greeting, lambda: _print(settings, greeting))
        sys.stdout.flush()

    # uvicorn stops gracefully and then raises the signal again: by default that would end the process before
    # the ledger has given back what it holds.
    signal.signal(signal.SIGTERM, _end)
    try:
        with suppress(KeyboardInterrupt):  # Ctrl-C is how a person stops it
            runner.serve(settings, on_ready)
    finally:
        if held:
            demonstration.remove_channel(desk)


def _end(_signal: int, _frame: object) -> None:
    raise SystemExit(0)


NO_CONSOLE = "not built, all else works; to build it: scripts/console build"


class Greeting(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the server is reached; `has_console` False: its pages only say that it is not built.
    `has_channels` False: no call can succeed yet. `shows_mail`: what would be mailed is in the log.
    `setup` is the link by which somebody becomes the first owner, while there is none."""

    console: str
    api: str
    metrics: str
    model: str
    has_console: bool
    has_channels: bool
    shows_mail: bool
    setup: str = ""
    demo: Demo | None = None


def greet(settings: Settings, app: App, box: SecretBox, member: Demo | None) -> Greeting:
    """What to tell about a server that is ready."""
    base = _address(settings.host, settings.port)
    catalogue = app.market.catalogue
    models = [model.name for model in catalogue.models() if model.kind == "chat"]
    return Greeting(
        console=f"{base}/",
        api=f"{base}/v1",
        metrics=f"{_address(settings.ops_host, settings.ops_port)}/metrics",
        model=MODEL if MODEL in models or not models else models[0],
        has_console=is_built(),
        has_channels=bool(catalogue.channels),
        shows_mail=not catalogue.site.mail.host,
        setup="" if has_owner(app.store) else f"{base}/setup?token={setup_token(box)}",
        demo=member,
    )


def _print(settings: Settings, greeting: Greeting) -> None:
    program, where, member = _program(), _where(settings), greeting.demo
    body = f'{{"model": "{greeting.model}", "messages": [{{"role": "user", "content": "Hello"}}]}}'
    lines = [
        "Posthouse is serving.",
        f"  console   {greeting.console if greeting.has_console else NO_CONSOLE}",
        f"  API       {greeting.api}",
        f"  metrics   {greeting.metrics}",
        "",
    ]
    if greeting.setup:
        become = greeting.setup if greeting.has_console else f"{program} owner create you@example.com{where}"
        lines += ["Nobody owns this installation yet. Become its owner:", f"  {become}", ""]
    if member is not None:
        lines += [
            "The provider is simulated: its answers are made up, no model is called.",
            f"  member    {member.account}",
            f"  password  {member.password}    (at {greeting.console}sign-in)",
            f"  key       {member.key}",
            "",
        ]
    elif not greeting.has_channels:
        lines += [
            "No channel leads to an upstream yet. Set UPSTREAM_BASE_URL and UPSTREAM_API_KEY and run",
            f"  {program} apply examples/minimal.toml{where}",
            f"or try it without one: {program} serve --demo",
            "",
        ]
    lines += [
        "Make a member and a key:",
        f"  {program} account create you@example.com{where}",
        f"  {program} key create --account you@example.com{where}",
        f"  {program} credit you@example.com 10 --reason 'first top-up'{where}",
        "",
        "Call:",
        f"  curl {greeting.api}/chat/completions \\",
        f"    -H 'Authorization: Bearer {member.key if member else 'YOUR_KEY'}' \\",
        "    -H 'Content-Type: application/json' \\",
        f"    -d '{body}'",
        "",
    ]
    if greeting.shows_mail:
        lines += ["No mail server is set: mails, such as those with a link to register, are shown here.", ""]
    lines.append("Stop with Ctrl-C.")
    for line in lines:
        output.print_line(line)


def _address(host: str, port: int) -> str:
    """A URL that reaches a server listening there from this machine."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def _program() -> str:
    """How to call this program again from here."""
    if shutil.which("posthouse"):
        return "posthouse"
    if sys.argv[0].endswith("__main__.py"):
        return f"{shlex.quote(sys.executable)} -m posthouse"
    return shlex.quote(os.path.relpath(sys.argv[0]))


def _where(settings: Settings) -> str:
    """The options that lead another command to the same data. A password is not printed: what a service
    prints is kept in a journal."""
    data = "" if settings.data == Path("data") else f" --data {shlex.quote(str(settings.data))}"
    if not settings.database:
        return data
    if make_url(settings.database).password:
        return f'{data} --database "$POSTHOUSE_DATABASE"'
    return f"{data} --database {shlex.quote(settings.database)}"
