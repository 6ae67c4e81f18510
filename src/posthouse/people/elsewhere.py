"""Signing in elsewhere: GitHub (OAuth 2.0) and any OpenID Connect provider, by authorization code with
PKCE.

One trip is bound three ways: `state` is taken once and names the trip; the browser that began it holds a
secret in a cookie, so nobody can be sent along somebody else's trip; and PKCE's verifier and the nonce are
made of that secret, so neither a stolen code nor another trip's ID token counts. Nothing of the provider's
is kept but who it is."""

import asyncio
import hmac
import threading
import time
from base64 import urlsafe_b64encode
from contextlib import aclosing
from typing import Any, Literal
from urllib.parse import quote, urlencode, urlsplit

import httpx
import msgspec
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]  # has no types
from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]  # has no types
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from posthouse.kernel.periods import MINUTE_MS
from posthouse.kernel.secrets import SecretText
from posthouse.people import one_time
from posthouse.people.errors import NotAnEmail, SignInElsewhere
from posthouse.people.identities import Stranger
from posthouse.people.rules import is_askable, parse_mailbox
from posthouse.store.engine import Store

TRIP_MS = 10 * MINUTE_MS  # somebody types a password there, and a code
TIMEOUT_S = 10.0  # of each of at most four requests to the provider as a whole, in a thread of the API's
ANSWER_BYTES_MAX = 512 * 1024  # key sets are a few KiB
METADATA_S = 3600.0  # how long a provider's addresses and keys are kept
LEEWAY_S = 60  # clocks apart
NAME_CHARS_MAX = 100

# Signatures that a provider's key set can check; never "none", never a shared secret.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """A provider as the operator has set it up. `name` is "github" or "oidc:NAME"; GitHub has no issuer, but
    the addresses of its own."""

    name: str
    client_id: str
    client_secret: SecretText
    issuer: str = ""
    scopes: tuple[str, ...] = ()
    site: str = "https://github.com"
    api: str = "https://api.github.com"


class Trip(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody set out for. `account_id`: the account to link to, "" to sign in."""

    provider: str
    account_id: str
    code: str
    language: str
    next: str


class Metadata(msgspec.Struct, frozen=True):
    """OpenID Connect Discovery 1.0, section 3, as far as it is needed."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class _Tokens(msgspec.Struct, frozen=True):
    access_token: str
    id_token: str = ""


class _GithubUser(msgspec.Struct, frozen=True):
    id: int
    login: str


class _GithubEmail(msgspec.Struct, frozen=True):
    email: str
    primary: bool
    verified: bool


def set_out(store: Store, provider: Provider, trip: Trip, *, browser: str, callback: str, now_ms: int) -> str:
    """The address to send the browser to. `browser` is the secret that its cookie keeps meanwhile. Raises
    SignInElsewhere where the provider does not answer."""
    metadata = _discovered(provider)
    with store.begin() as connection:
        data = {**msgspec.structs.asdict(trip), "browser": _derived(browser, "browser")}
        state = one_time.issue(connection, "oauth", data=data, now_ms=now_ms, lives_ms=TRIP_MS)
    asked = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": callback,
        "scope": " ".join(provider.scopes if provider.issuer else ("read:user", "user:email")),
        "state": state,
        "code_challenge": create_s256_code_challenge(_derived(browser, "verifier")),
        "code_challenge_method": "S256",
    }
    if provider.issuer:
        asked["nonce"] = _derived(browser, "nonce")
    joint = "&" if "?" in metadata.authorization_endpoint else "?"
    return f"{metadata.authorization_endpoint}{joint}{urlencode(asked)}"


def come_back(store: Store, state: str, *, browser: str, now_ms: int) -> Trip:
    """The trip that has ended, which then counts no more. Raises SignInElsewhere for one that is unknown,
    too old, or another browser's."""
    with store.begin() as connection:
        taken = one_time.take(connection, "oauth", state, now_ms=now_ms)
    if taken is None or not browser:
        raise SignInElsewhere("expired")
    kept = dict(taken.data)
    if not hmac.compare_digest(kept.pop("browser"), _derived(browser, "browser")):
        raise SignInElsewhere("expired")
    return Trip(**kept)


def identify(provider: Provider, code: str, *, browser: str, callback: str) -> Stranger:
    """Who has signed in there. Raises SignInElsewhere."""
    verifier = _derived(browser, "verifier")
    if not provider.issuer:
        return _github_user(provider, _exchange(provider, _github(provider), code, verifier, callback))
    metadata = _discovered(provider)
    tokens = _exchange(provider, metadata, code, verifier, callback)
    claims = _claims(provider, metadata, tokens, _derived(browser, "nonce"))
    email = claims.get("email")
    is_verified = claims.get("email_verified") is True
    name = claims.get("preferred_username") or claims.get("name") or email or claims["sub"]
    return Stranger(
        provider=provider.name,
        subject=str(claims["sub"]),
        name=_shown(name),
        email=_mailbox(email) if is_verified else "",
    )


def safe_next(path: str) -> str:
    """Where to go on to after the sign-in: a path of this site's own, whatever was asked for."""
    parts = urlsplit(path)
    is_own = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.netloc
    return path if is_own and path.isprintable() and "\\" not in path else "/dashboard"


def _derived(browser: str, what: Literal["browser", "verifier", "nonce"]) -> str:
    """43 characters of the browser's secret that do not tell it, nor each other."""
    digest = hmac.digest(browser.encode("utf-8", "surrogateescape"), what.encode(), "sha256")
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def _github(provider: Provider) -> Metadata:
    here = f"{provider.site}/login/oauth"
    return Metadata("", f"{here}/authorize", f"{here}/access_token", "", ("client_secret_post",))


def _github_user(provider: Provider, tokens: _Tokens) -> Stranger:
    headers = {"authorization": f"Bearer {tokens.access_token}", "accept": "application/vnd.github+json"}
    user = _get(f"{provider.api}/user", _GithubUser, headers)
    emails = _get(f"{provider.api}/user/emails", tuple[_GithubEmail, ...], headers)
    verified = [one.email for one in emails if one.primary and one.verified]
    return Stranger(
        provider=provider.name,
        subject=str(user.id),  # a login can be given up and taken by somebody else
        name=_shown(user.login),
        email=_mailbox(verified[0]) if verified else "",
    )


_known: dict[str, tuple[float, Metadata]] = {}
_known_lock = threading.Lock()


def _discovered(provider: Provider) -> Metadata:
    """Raises SignInElsewhere."""
    if not provider.issuer:
        return _github(provider)
    with _known_lock:
        read_s, metadata = _known.get(provider.issuer, (0.0, None))
    if metadata is not None and time.monotonic() - read_s < METADATA_S:
        return metadata
    url = f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration"
    found: Metadata = _get(url, Metadata)
    if found.issuer != provider.issuer:  # Discovery, 4.3: must be identical
        raise SignInElsewhere("provider_fault")
    places = (found.authorization_endpoint, found.token_endpoint, found.jwks_uri)
    if not all(is_askable(place, found.issuer) for place in places):
        raise SignInElsewhere("provider_fault")
    with _known_lock:
        _known[provider.issuer] = (time.monotonic(), found)
    return found


def _exchange(provider: Provider, metadata: Metadata, code: str, verifier: str, callback: str) -> _Tokens:
    """The code for tokens. Raises SignInElsewhere."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": callback,
        "code_verifier": verifier,
    }
    secret, auth = provider.client_secret.reveal(), None
    if "client_secret_basic" in metadata.token_endpoint_auth_methods_supported:
        # RFC 6749, 2.3.1: both are form-encoded first
        auth = httpx.BasicAuth(quote(provider.client_id, safe=""), quote(secret, safe=""))
    else:
        form |= {"client_id": provider.client_id, "client_secret": secret}
    headers = {"accept": "application/json"}
    request = httpx.Request("POST", metadata.token_endpoint, data=form, headers=headers)
    tokens: _Tokens = _read(request, _Tokens, auth)
    return tokens


def _claims(provider: Provider, metadata: Metadata, tokens: _Tokens, nonce: str) -> dict[str, Any]:
    """What the ID token says, once it is shown to be the provider's, for us, of now, and of this trip.
    Raises SignInElsewhere."""
    keys = _get(metadata.jwks_uri, dict[str, Any])
    try:
        registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
        token = jwt.decode(tokens.id_token, KeySet.import_key_set(keys), registry=registry)
        options = {
            "iss": {"essential": True, "value": metadata.issuer},
            "aud": {"essential": True, "value": provider.client_id},
            "nonce": {"essential": True, "value": nonce},
        }
        params = {"nonce": nonce, "client_id": provider.client_id, "access_token": tokens.access_token}
        claims = CodeIDToken(token.claims, token.header, options, params)
        claims.validate(leeway=LEEWAY_S)
    except (JoseError, ValueError, TypeError, KeyError):
        raise SignInElsewhere("provider_fault") from None
    return dict(claims)


def _get(url: str, kind: Any, headers: dict[str, str] | None = None) -> Any:
    return _read(httpx.Request("GET", url, headers=headers), kind, None)


def _read(request: httpx.Request, kind: Any, auth: httpx.Auth | None) -> Any:
    """The answer, as that type. Raises SignInElsewhere."""
    try:
        status, body = asyncio.run(_fetch(request, auth))
        if status != 200:
            raise SignInElsewhere("refused" if status < 500 else "provider_fault")
        return msgspec.json.decode(body, type=kind)
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, msgspec.DecodeError, UnicodeDecodeError):
        raise SignInElsewhere("provider_fault") from None


async def _fetch(request: httpx.Request, auth: httpx.Auth | None) -> tuple[int, bytes]:
    """Status and body, all within TIMEOUT_S, however little comes at a time: an event loop of its own can end
    any wait. Follows no redirects: the operator has named the provider, and none other is asked."""
    request.headers["user-agent"] = "posthouse"
    async with (
        httpx.AsyncClient(timeout=TIMEOUT_S) as client,
        asyncio.timeout(TIMEOUT_S),
        aclosing(await client.send(request, auth=auth, stream=True, follow_redirects=False)) as response,
    ):
        body = b""
        async for part in response.aiter_bytes():
            body += part
            if len(body) > ANSWER_BYTES_MAX:
                raise SignInElsewhere("provider_fault")
        return response.status_code, body


def _mailbox(text: object) -> str:
    try:
        return parse_mailbox(str(text))
    except NotAnEmail:
        return ""


def _shown(text: object) -> str:
    return "".join(letter for letter in str(text) if letter.isprintable())[:NAME_CHARS_MAX]
