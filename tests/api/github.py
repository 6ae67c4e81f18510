"""What GitHub's OAuth answers, as far as signing in asks for it: a small HTTP server on loopback. It checks
what GitHub checks: the code counts once, and only with the verifier of its challenge and the app's
secret."""

import hashlib
import json
import secrets
import threading
from base64 import urlsafe_b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

CLIENT_ID, CLIENT_SECRET = "github-app", "github-secret"


class Github:
    """`user` and `emails` are who is signed in there."""

    def __init__(self) -> None:
        self.user: dict[str, Any] = {"id": 7, "login": "ann"}
        self.emails: list[dict[str, Any]] = [
            {"email": "other@example.org", "primary": False, "verified": True},
            {"email": "Ann@example.org", "primary": True, "verified": True},
        ]
        self._codes: dict[str, str] = {}  # with the challenge of each
        self._tokens: set[str] = set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def authorize(self, url: str) -> str:
        """Somebody at the browser says yes: where it is sent on to."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert asked["client_id"] == CLIENT_ID
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_hex(8)
        self._codes[code] = asked["code_challenge"]
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, form: dict[str, str]) -> dict[str, Any]:
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = urlsafe_b64encode(digest).rstrip(b"=").decode()
        is_app = (form["client_id"], form["client_secret"]) == (CLIENT_ID, CLIENT_SECRET)
        if not is_app or self._codes.pop(form["code"], "") != challenge:
            return {"error": "bad_verification_code"}  # with a status of 200, as GitHub does
        token = secrets.token_hex(8)
        self._tokens.add(token)
        return {"access_token": token, "token_type": "bearer", "scope": "read:user,user:email"}

    def _handler(github) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                self._answer(github.token({name: values[0] for name, values in parse_qs(body).items()}))

            def do_GET(self) -> None:
                if self.headers["authorization"].removeprefix("Bearer ") not in github._tokens:
                    self.send_error(401)
                else:
                    self._answer(github.user if self.path == "/user" else github.emails)

            def _answer(self, content: Any) -> None:
                body = json.dumps(content).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler
