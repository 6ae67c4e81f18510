"""Calls to a served relay as plain HTTP, so that a test sees every header and byte."""

import http.client
import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

from typer.testing import CliRunner

from posthouse.cli import app
from posthouse.testing.served import ServedRelay

T = TypeVar("T")
TIMEOUT_S = 30.0  # a call that takes so long has failed
MODEL = "gpt-4o-mini"


class Reply(NamedTuple):
    """An answer: header names in lower case; `is_cut` when the connection ended before it did."""

    status: int
    headers: dict[str, str]
    body: bytes
    is_cut: bool = False

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def relay_code(self) -> int | None:
        """The relay's own error number, None for any other answer."""
        return self.json.get("error", {}).get("relay_code") if self.status >= 400 else None

    @property
    def events(self) -> list[str]:
        """The data of each event of a stream."""
        return [line[6:] for line in self.body.decode().splitlines() if line.startswith("data: ")]


def send(
    relay: ServedRelay,
    method: str,
    path: str,
    *,
    key: str = "",
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """One request on a connection of its own. `path` and `body` go out as they are."""
    sent = {"content-type": "application/json"} if body else {}
    if key:
        sent["authorization"] = f"Bearer {key}"
    connection = http.client.HTTPConnection("127.0.0.1", relay.port, timeout=TIMEOUT_S)
    try:
        connection.request(method, path, body=body or None, headers={**sent, **(headers or {})})
        answer = connection.getresponse()
        received = {name.lower(): value for name, value in answer.getheaders()}
        try:
            return Reply(answer.status, received, answer.read())
        except http.client.IncompleteRead as cut:
            return Reply(answer.status, received, cut.partial, is_cut=True)
    finally:
        connection.close()


def get(relay: ServedRelay, path: str, key: str = "", **headers: str) -> Reply:
    return send(relay, "GET", path, key=key, headers=headers)


def post(relay: ServedRelay, key: str, path: str, fields: object, **headers: str) -> Reply:
    """`headers` with _ for -."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return send(relay, "POST", path, key=key, body=json.dumps(fields).encode(), headers=named)


def chat_body(model: str = MODEL, content: str = "Say hello", **fields: object) -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": content}], **fields}


def chat(
    relay: ServedRelay,
    key: str,
    model: str = MODEL,
    *,
    content: str = "Say hello",
    headers: Mapping[str, str] | None = None,
    **fields: object,
) -> Reply:
    """A chat call; `fields` go into its body."""
    body = json.dumps(chat_body(model, content, **fields)).encode()
    return send(relay, "POST", "/v1/chat/completions", key=key, body=body, headers=headers)


def at_once(calls: Iterable[Callable[[], T]], *, threads: int = 50) -> list[T]:
    """The results of calls made beside each other, in their order."""
    with ThreadPoolExecutor(threads) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def command(relay: ServedRelay, *arguments: str) -> Any:
    """Run `posthouse …` on the relay's data directory, and return what it printed as JSON."""
    result = CliRunner().invoke(app, [*arguments, "--data", str(relay.data), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)
