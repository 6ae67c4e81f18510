"""What a provider of sign-in can't make of us: real servers that answer as none should."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pytest

from posthouse.kernel.secrets import SecretText
from posthouse.people import elsewhere
from posthouse.people.elsewhere import Provider, Trip, set_out
from posthouse.people.errors import SignInElsewhere
from posthouse.store.engine import Store


class Unfit(BaseHTTPRequestHandler):
    """Answers by the issuer's path; `asked` has every path that was asked for."""

    asked: list[str]
    stopping: threading.Event

    def do_GET(self) -> None:
        self.asked.append(self.path)
        here = f"http://127.0.0.1:{self.server.server_address[1]}"
        name = self.path.split("/")[1]
        document = {
            "issuer": f"{here}/{name}",
            "authorization_endpoint": f"{here}/authorize",
            "token_endpoint": {"outside": "http://id.example.org/token", "file": "file:///etc/passwd"}.get(
                name, f"{here}/token"
            ),
            "jwks_uri": f"{here}/keys",
        }
        body = b" " * elsewhere.ANSWER_BYTES_MAX + b"{}" if name == "huge" else msgspec.json.encode(document)
        if name == "slow_head":
            self.drip(b"HTTP/1.1 200 OK\r\nx-more: ")
            return
        self.send_response(302 if name == "moved" else 200)
        self.send_header("location", f"{here}/elsewhere")
        self.end_headers()
        if name == "slow_body":
            self.drip(b"{")
        else:
            self.wfile.write(body)

    def drip(self, begin: bytes) -> None:
        """A byte now and then, for ever."""
        try:
            self.wfile.write(begin)
            while not self.stopping.wait(0.02):
                self.wfile.write(b"x")
        except OSError:
            return

    def log_message(self, *args: object) -> None:
        return


@pytest.fixture(scope="module")
def unfit() -> Iterator[str]:
    Unfit.asked, Unfit.stopping = [], threading.Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), Unfit) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        Unfit.stopping.set()
        server.shutdown()
        thread.join()


def trip_to(store: Store, issuer: str) -> str:
    provider = Provider(name="oidc:x", client_id="x", client_secret=SecretText("x"), issuer=issuer)
    trip = Trip(provider=provider.name, account_id="", code="", language="en", next="")
    return set_out(store, provider, trip, browser="b", callback="https://relay.example.org/back", now_ms=0)


@pytest.mark.parametrize("name", ["outside", "file", "huge", "slow_head", "slow_body", "moved"])
def test_an_unfit_provider_is_given_up(
    store: Store, unfit: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each byte comes in time, the whole never does.
    monkeypatch.setattr(elsewhere, "TIMEOUT_S", 0.5 if name.startswith("slow") else 10.0)
    with pytest.raises(SignInElsewhere) as refused:
        trip_to(store, f"{unfit}/{name}")
    assert refused.value.why == ("refused" if name == "moved" else "provider_fault")
    assert Unfit.asked[-1] == f"/{name}/.well-known/openid-configuration"  # and no redirect was followed


def test_a_fit_one_is_gone_to(store: Store, unfit: str) -> None:
    assert trip_to(store, f"{unfit}/fit").startswith(f"{unfit}/authorize?")
