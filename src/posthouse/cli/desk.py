"""What every command shares: the options --data, --database and --json, the store, how faults are told."""

import inspect
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec

import typer

from posthouse.accounts.errors import EmailTaken, UnknownAccount, UnknownKey
from posthouse.catalogue.queries import load_configuration
from posthouse.cli import output
from posthouse.cli.settings import settings_of
from posthouse.kernel.errors import PosthouseError
from posthouse.kernel.money import format_nanos
from posthouse.kernel.secrets import SecretBox, master_box
from posthouse.kernel.settings import Settings
from posthouse.ledger.errors import InsufficientFunds, UnknownMember
from posthouse.payments.errors import UnknownBatch, UnknownOrder
from posthouse.payments.rules import Rewards
from posthouse.store.engine import Store, open_store
from posthouse.store.errors import NotAStore, StoreDown, StoreTooNew

FAULT_STATUS = 70  # a fault of ours, as sysexits.h has it; 1 is a refusal, 2 a wrong command line

_UNKNOWN_ACCOUNT = "`posthouse account list` shows all accounts"
_CHECK_STORE = "check --data and --database; `posthouse doctor` tells more"
NEXT_STEPS: dict[type[PosthouseError], str] = {
    UnknownAccount: _UNKNOWN_ACCOUNT,
    UnknownMember: _UNKNOWN_ACCOUNT,
    UnknownKey: "`posthouse key list --account EMAIL` shows an account's keys with their ids",
    EmailTaken: "`posthouse account show EMAIL` shows it",
    InsufficientFunds: "`posthouse account show EMAIL` shows the balance",
    UnknownOrder: "`posthouse order list` shows the newest orders",
    UnknownBatch: "`posthouse code list` shows the newest batches",
    NotAStore: _CHECK_STORE,
    StoreDown: _CHECK_STORE,
    StoreTooNew: "install the Posthouse that made it, or a newer one",
}

Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Data directory: else POSTHOUSE_DATA, else ./data."),
]
Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="Database: else POSTHOUSE_DATABASE, else SQLite in the data directory.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

P = ParamSpec("P")


class CommandError(PosthouseError):
    """A command can't do what it was told; `next_step` says what to do about it."""

    def __init__(self, message: str, next_step: str = "") -> None:
        super().__init__(message)
        self.next_step = next_step


class Desk:
    """What a command works at."""

    def __init__(self, settings: Settings, *, as_json: bool) -> None:
        self.settings = settings
        self.as_json = as_json

    @cached_property
    def store(self) -> Store:
        """Opened, and migrated, when first asked for; a mistyped --data does not pass for empty books
        unnoticed. Raises StoreError, OSError."""
        self.make_data_directory()
        file = self.settings.data / "posthouse.db"
        is_new = not self.settings.database and not file.exists()
        store = open_store(self.settings.database_url)
        if is_new:
            output.print_note(f"there was no {file}: made an empty one")
        return store

    @cached_property
    def box(self) -> SecretBox:
        """Opens and seals the channels' credentials. Raises CommandError, OSError."""
        self.make_data_directory()
        try:
            return master_box(self.settings.data, self.settings.master_key)
        except ValueError:
            source = "POSTHOUSE_MASTER_KEY" if self.settings.master_key else self.settings.data / "master.key"
            raise CommandError(f"{source} is not 64 hex digits", "restore it from a backup") from None

    def make_data_directory(self) -> None:
        """Nobody else may look into it: it holds the master key and the books. Raises OSError."""
        self.settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)

    @property
    def currency(self) -> str:
        """The operator's, in which all amounts are. Raises StoreError."""
        return load_configuration(self.store).operator.currency

    @property
    def rewards(self) -> Rewards:
        """What an invited member's first top-up brings. Raises StoreError."""
        return load_configuration(self.store).site.referral.rewards

    def close(self) -> None:
        store = self.__dict__.pop("store", None)
        if store is not None:
            store.close()

    def answer(self, value: object, show: Callable[[], None]) -> None:
        """Print the value as JSON, or let `show` print it for a person."""
        if self.as_json:
            output.print_json(value)
        else:
            show()


def command(
    app: typer.Typer, name: str | None = None, **options: Any
) -> Callable[[Callable[Concatenate[Desk, P], None]], Callable[Concatenate[Desk, P], None]]:
    """Make a function a command of the app: its first parameter becomes the Desk, made of the options that
    every command has; a PosthouseError becomes one line and exit status 1."""

    def decorate(function: Callable[Concatenate[Desk, P], None]) -> Callable[Concatenate[Desk, P], None]:
        run = partial(_run, function)
        signature = inspect.signature(function)
        own = list(signature.parameters.values())[1:]
        shared = [
            inspect.Parameter("data", inspect.Parameter.KEYWORD_ONLY, annotation=Data, default=None),
            inspect.Parameter("database", inspect.Parameter.KEYWORD_ONLY, annotation=Database, default=None),
            inspect.Parameter("as_json", inspect.Parameter.KEYWORD_ONLY, annotation=AsJson, default=False),
        ]

        def entry(**arguments: Any) -> None:
            run(**arguments)

        entry.__signature__ = signature.replace(parameters=[*own, *shared])  # type: ignore[attr-defined]  # typer reads it
        entry.__annotations__ = {parameter.name: parameter.annotation for parameter in [*own, *shared]}
        entry.__doc__ = function.__doc__
        app.command(name or function.__name__, **options)(entry)
        return function

    return decorate


def _run(
    function: Callable[..., None], *, data: Path | None, database: str | None, as_json: bool, **arguments: Any
) -> None:
    desk: Desk | None = None
    try:
        desk = Desk(settings_of(os.environ, data=data, database=database), as_json=as_json)
        function(desk, **arguments)
        sys.stdout.flush()  # here, where a closed pipe is still told apart
    except PosthouseError as error:
        next_step = error.next_step if isinstance(error, CommandError) else NEXT_STEPS.get(type(error), "")
        raise _told(str(error), next_step) from None
    except BrokenPipeError:
        _leave_pipe()
    except OSError as error:
        raise _told(f"{error.strerror}: {error.filename}" if error.filename else str(error), "") from None
    except (typer.Exit, typer.Abort, typer.BadParameter, KeyboardInterrupt):
        raise
    except Exception as error:  # a person gets a sentence, the traceback when asked for
        if os.environ.get("POSTHOUSE_TRACEBACK"):
            raise
        message = f"unexpected {type(error).__name__}: {error}"
        raise _told(message, "set POSTHOUSE_TRACEBACK=1 to see where, and report it", FAULT_STATUS) from None
    finally:
        if desk is not None:
            desk.close()


def _told(message: str, next_step: str, status: int = 1) -> typer.Exit:
    output.print_error(message, next_step)
    return typer.Exit(status)


def _leave_pipe() -> None:
    """Who reads has had enough (`posthouse usage list | head`): end quietly, as other tools do."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def money(nanos: int | None) -> str:
    """An amount in a table; nothing where there is none."""
    return "" if nanos is None else format_nanos(nanos)
