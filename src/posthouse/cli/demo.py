"""What `serve --demo` adds: a simulated provider, and a member with a key and some credit to call it with."""

import asyncio
import secrets
from importlib import resources

import msgspec

from posthouse.accounts import queries as account_queries
from posthouse.accounts import service as accounts
from posthouse.accounts.errors import UnknownAccount
from posthouse.accounts.rules import Account
from posthouse.bootstrap import App
from posthouse.catalogue import service as catalogue
from posthouse.catalogue.document import read_document
from posthouse.catalogue.queries import load_configuration
from posthouse.cli.desk import CommandError, Desk
from posthouse.kernel.clock import now_ms
from posthouse.kernel.money import NANOS
from posthouse.kernel.secrets import SecretText
from posthouse.ledger import transfers
from posthouse.ledger.queries import get_balance
from posthouse.people.recovery import give_password
from posthouse.testing.http1 import Server
from posthouse.testing.simulated import start_simulated

CHANNEL = "simulated"
MEMBER = "demo@example.com"
KEY_NAME = "demo"
CREDIT_NANOS = 5 * NANOS


class Demo(msgspec.Struct, frozen=True):
    """The demo member, and the key and the console's password that it got for this run."""

    account: str
    key: str
    password: str


def prepare(desk: Desk) -> Demo:
    """Make what the demo needs in the store: something to sell, the member, credit and a fresh key. Raises
    CommandError where a real channel is configured: its members must never get simulated answers."""
    configuration = load_configuration(desk.store)
    if configuration.channels.keys() - {CHANNEL}:
        raise CommandError(
            "this data directory has real channels; the demo's answers are made up and would be charged",
            "serve without --demo, or give the demo a directory of its own: --demo --data data/demo",
        )
    if not configuration.models:
        text = (resources.files("posthouse") / "data" / "demo.toml").read_text("utf-8")
        document = read_document(text, source="demo.toml", environment={})
        catalogue.apply(desk.store, document, desk.box, now_ms=now_ms())
        configuration = load_configuration(desk.store)
    account = _member(desk, configuration.operator.topup_plan)
    if get_balance(desk.store, account.id).balance_nanos < CREDIT_NANOS:
        transfers.credit(
            desk.store, account.id, CREDIT_NANOS, reason="demo credit", kind="promotion", actor="demo"
        )
    for key in account_queries.list_keys(desk.store, account.id):
        if key.name == KEY_NAME and key.status != "revoked":
            accounts.revoke_key(desk.store, key.id)  # of an earlier run: nobody can read it any more
    made = accounts.create_key(desk.store, account.id, name=KEY_NAME)
    password = secrets.token_urlsafe(9)
    give_password(desk.store, account.id, password, actor="demo", now_ms=now_ms())
    return Demo(account.email, made.key, password)


async def start_provider(desk: Desk, app: App) -> Server:
    """Start the simulated provider on the running loop, and make it the channel that the server uses."""
    server, base_url = await start_simulated()
    fields = {"base_url": base_url}
    await asyncio.to_thread(
        catalogue.put,
        desk.store,
        desk.box,
        "channel",
        CHANNEL,
        fields,
        credential=SecretText("simulated"),  # it asks for none, but a channel without one looks unfinished
        now_ms=now_ms(),
    )
    await app.market.on_change("configuration", "")  # now, rather than when the change feed tells
    return server


def remove_channel(desk: Desk) -> None:
    """Take the simulated provider's channel out again, also that of a demo that was killed."""
    if CHANNEL in load_configuration(desk.store).channels:
        catalogue.remove(desk.store, desk.box, "channel", CHANNEL, now_ms=now_ms())


def _member(desk: Desk, paid_plan: str) -> Account:
    try:
        return account_queries.get_account(desk.store, MEMBER)
    except UnknownAccount:
        return accounts.create_account(desk.store, MEMBER, plan=paid_plan or None)
