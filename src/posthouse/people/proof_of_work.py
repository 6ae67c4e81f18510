"""The brake on machines that register: the browser finds a number, which takes it about a second, before a
form is taken (altcha, version 2, https://altcha.org). Each proof counts once and for a few minutes."""

import base64
import secrets
from typing import Any

import altcha
import msgspec

from posthouse.kernel.periods import MINUTE_MS
from posthouse.kernel.secrets import SecretBox
from posthouse.people import one_time
from posthouse.people.errors import ProofMissing
from posthouse.store.engine import Store

LIVES_MS = 15 * MINUTE_MS  # to fill a form in; a used proof is remembered as long
ALGORITHM = "SHA-256"  # any browser has it in script, also where no secure context gives it WebCrypto
ROUNDS = 1
COUNTER_MIN, COUNTER_MAX = 50_000, 150_000  # hashes until found: about half a second on a telephone
PAYLOAD_CHARS_MAX = 4000


def challenge(box: SecretBox, *, now_ms: int) -> dict[str, Any]:
    """What the browser has to solve, as altcha's clients read it. Stores nothing."""
    made = altcha.create_challenge(
        ALGORITHM,
        ROUNDS,
        counter=COUNTER_MIN + secrets.randbelow(COUNTER_MAX - COUNTER_MIN),
        expires_at=(now_ms + LIVES_MS) // 1000,
        hmac_secret=_key(box),
        hmac_key_secret=_key(box, "found"),
    )
    described: dict[str, Any] = made.to_dict()
    return described


def redeem(store: Store, box: SecretBox, payload: str, *, now_ms: int) -> None:
    """Take a solved challenge, base64 of JSON, once. Raises ProofMissing."""
    if not payload or len(payload) > PAYLOAD_CHARS_MAX:
        raise ProofMissing
    try:
        proof = altcha.Payload.from_dict(msgspec.json.decode(base64.b64decode(payload)))
        result = altcha.verify_solution(proof, _key(box), hmac_key_secret=_key(box, "found"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):  # what no browser of ours sends
        raise ProofMissing from None
    parameters = proof.challenge.parameters
    expires_ms = (parameters.expires_at or 0) * 1000  # signed, as the nonce is
    if not result.verified or expires_ms <= now_ms:
        raise ProofMissing
    with store.begin() as connection:
        if not one_time.spend(connection, "proof", parameters.nonce, now_ms=now_ms, expires_ms=expires_ms):
            raise ProofMissing


def _key(box: SecretBox, what: str = "challenge") -> bytes:
    return box.derive(f"proof-of-work {what}")
