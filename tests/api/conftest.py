"""The REST API of a whole relay in this process, one for a module's tests; each test makes people of its own.

def test_somebody_sees_their_keys(api: Api) -> None:
    member = api.as_("member")
    answer = member.get("/keys")

A `Browser` is a client with a session's cookie that sends the CSRF token along; `json` is checked for by the
caller, statuses are not.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, Self

import httpx
import pytest
from sqlalchemy import Connection, Engine, event, insert
from tests.store.conftest import new_database

from posthouse.accounts.service import create_account
from posthouse.kernel.clock import now_ms
from posthouse.people.passwords import hash_password
from posthouse.people.sessions import Device, csrf_token, find_session, open_session
from posthouse.people.tokens import create_token
from posthouse.store.engine import Store
from posthouse.store.schema_people import profiles
from posthouse.testing.embedded import EmbeddedRelay
from posthouse.testing.upstream import ScriptedUpstream

PASSWORD = "correct horse battery"
COOKIE = "posthouse"
_numbers = count(1)


class Browser:
    """Somebody who uses the API. `csrf` goes along with each change."""

    def __init__(self, origin: str, account_id: str = "", email: str = "") -> None:
        self.account_id, self.email = account_id, email
        # verify=False: all is plain HTTP here, and loading the authorities takes 40 ms a client
        self.http = httpx.Client(base_url=origin + "/api/v1", timeout=20, verify=False)
        self.csrf = ""

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"x-csrf-token": self.csrf} if self.csrf else {}
        return self.http.request(method, path, headers={**headers, **options.pop("headers", {})}, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> httpx.Response:
        return self.request("POST", path, json=json, **options)

    def put(self, path: str, json: Any = None, **options: Any) -> httpx.Response:
        return self.request("PUT", path, json=json, **options)

    def patch(self, path: str, json: Any = None, **options: Any) -> httpx.Response:
        return self.request("PATCH", path, json=json, **options)

    def delete(self, path: str, **options: Any) -> httpx.Response:
        return self.request("DELETE", path, **options)


class Api:
    """`relay` has the store, the box and the running App."""

    def __init__(self, relay: EmbeddedRelay) -> None:
        self.relay = relay
        self.browsers: list[Browser] = []
        # The first request loads the API, which takes long where many tests run at once.
        httpx.get(f"{relay.origin}/api/v1/session", timeout=60).raise_for_status()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for browser in self.browsers:
            browser.http.close()

    @property
    def store(self) -> Store:
        return self.relay.store

    def visitor(self) -> Browser:
        """Somebody who is not signed in."""
        return self._browser()

    def account(self, role: str = "member", *, password: str = "", email: str = "") -> tuple[str, str]:
        """A new account with a profile: id and email. Hashing a password takes a moment, so there is none
        unless it is named."""
        account = create_account(self.store, email or f"{role}{next(_numbers)}@example.org")
        values = {"account_id": account.id, "role": role, "created_ms": account.created_ms}
        if password:
            values["password_hash"] = hash_password(password)
        with self.store.begin() as connection:
            connection.execute(insert(profiles).values(email_verified_ms=account.created_ms, **values))
        return account.id, account.email

    def as_(self, role: str = "member") -> Browser:
        """Somebody new of that role, signed in."""
        account_id, email = self.account(role)
        return self.signed_in(account_id, email)

    def signed_in(self, account_id: str, email: str = "") -> Browser:
        """Another browser in which that account is signed in."""
        device = Device("127.0.0.1", b"\0" * 16, "a test's browser")
        with self.store.begin() as connection:
            secret = open_session(connection, account_id, device, now_ms=now_ms())
        assert find_session(self.store, secret, now_ms=now_ms()) is not None
        browser = self._browser(account_id, email)
        browser.http.cookies.set(COOKIE, secret)
        browser.csrf = csrf_token(secret)
        return browser

    def with_token(self, account_id: str, *scopes: str) -> Browser:
        """A script with an access token of that account."""
        made = create_token(
            self.store,
            account_id,
            name="script",
            scopes=scopes,
            expires_ms=None,
            actor=account_id,
            now_ms=now_ms(),
        )
        browser = self._browser(account_id)
        browser.http.headers["authorization"] = f"Bearer {made.token}"
        return browser

    def _browser(self, account_id: str = "", email: str = "") -> Browser:
        self.browsers.append(Browser(self.relay.origin, account_id, email))
        return self.browsers[-1]


@pytest.fixture(scope="module")
def api_upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream(credential="sk-upstream-credential") as upstream:
        yield upstream


@pytest.fixture(scope="module")
def database(request: pytest.FixtureRequest) -> str:
    """Of the module's relay: an SQLite one, or with POSTHOUSE_TEST_DATABASE=postgresql a real server's."""
    if os.environ.get("POSTHOUSE_TEST_DATABASE") != "postgresql":
        return ""
    return new_database(request.getfixturevalue("postgresql_server"))


@pytest.fixture(scope="module")
def api(
    api_upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory, database: str
) -> Iterator[Api]:
    directory = tmp_path_factory.mktemp("api")
    with EmbeddedRelay(directory, api_upstream.base_url, database=database) as relay, Api(relay) as api:
        yield api


_statements: list[str] | None = None  # while they are counted


# For good, before there is any engine: one that is at work takes no other listener meanwhile.
@event.listens_for(Engine, "before_cursor_execute")
def _note(_c: Any, _u: Any, statement: str, _p: Any, _x: Any, _m: bool) -> None:
    if _statements is not None and threading.current_thread().name.startswith("AnyIO"):
        _statements.append(statement)


@event.listens_for(Engine, "begin")
def _note_begin(connection: Connection) -> None:
    """PostgreSQL's driver says it by itself."""
    if connection.dialect.name == "postgresql":
        _note(None, None, "BEGIN", None, None, False)


Statements = Callable[[], Any]


@pytest.fixture
def statements(api: Api) -> Statements:
    """Counts what the API's own threads ask of the store:

    with statements() as asked:
        member.get("/keys")
    assert len(asked) == 2
    """

    @contextmanager
    def counting() -> Iterator[list[str]]:
        global _statements
        _statements = asked = []
        yield asked
        _statements = None

    return counting
