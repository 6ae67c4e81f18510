"""The operator's side of a relay under test: its data directory, configuration, members and books."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from posthouse.accounts.service import create_account, create_key
from posthouse.catalogue.document import read_document
from posthouse.catalogue.service import apply
from posthouse.kernel.clock import now_ms
from posthouse.kernel.money import parse_nanos
from posthouse.kernel.outcome import Outcome
from posthouse.kernel.secrets import master_box
from posthouse.ledger.queries import Difference, get_balance, verify
from posthouse.ledger.transfers import credit
from posthouse.ledger.usage import UsageFilter, list_usage
from posthouse.store.engine import Store, open_store
from posthouse.testing.stores import store_in

MINIMAL = """
[operator]
default_plan = "paid"
[models."gpt-4o-mini"]
list = "openai/gpt-4o-mini"
[models."text-embedding-3-small"]
list = "openai/text-embedding-3-small"
[plans.paid]
kind = "paid"
[channels.main]
base_url = "${UPSTREAM_BASE_URL}"
credential = "${UPSTREAM_API_KEY}"
"""


class Operated:
    """`configuration` is the text of an `apply` file, in which ${UPSTREAM_BASE_URL} and ${UPSTREAM_API_KEY}
    are filled. `port` is where the relay listens."""

    port: int

    def __init__(
        self, directory: Path, upstream_url: str, configuration: str, *, upstream_key: str, database: str = ""
    ) -> None:
        self.data = directory / "data"
        self.data.mkdir(parents=True, exist_ok=True)
        self._variables = {"UPSTREAM_BASE_URL": upstream_url, "UPSTREAM_API_KEY": upstream_key}
        self._database = database or f"sqlite:///{self.data}/posthouse.db"
        self.store: Store = open_store(database) if database else store_in(self.data)
        self.box = master_box(self.data)
        self.apply(configuration)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        return self.origin + "/v1"

    def apply(self, configuration: str) -> None:
        document = read_document(configuration, source="test.toml", environment=self._variables)
        apply(self.store, document, self.box, now_ms=now_ms())

    def member(self, email: str, *, plan: str | None = None, credit: str = "") -> str:
        """Make an account with a key, and return the key."""
        create_account(self.store, email, plan=plan)
        if credit:
            self.credit(email, credit)
        return create_key(self.store, email).key

    def credit(self, email: str, amount: str) -> None:
        credit(self.store, email, parse_nanos(amount), reason="test")

    def balance(self, email: str) -> int:
        """Nanos."""
        return get_balance(self.store, email).balance_nanos

    def usage(self, email: str = "") -> list[Outcome]:
        """Usage records, oldest first."""
        return list(self._pages(email))[::-1]

    def differences(self) -> list[Difference]:
        """What `ledger verify` finds."""
        return list(verify(self.store))

    def _pages(self, email: str) -> Iterator[Outcome]:
        before = ""
        while True:
            page = list_usage(self.store, UsageFilter(account=email), before=before, limit=1000)
            yield from page.records
            before = page.next
            if not before:
                return
