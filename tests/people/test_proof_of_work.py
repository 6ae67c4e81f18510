import base64
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import altcha
import pytest

from posthouse.kernel.clock import now_ms
from posthouse.kernel.secrets import SecretBox
from posthouse.people import proof_of_work
from posthouse.people.errors import ProofMissing
from posthouse.people.proof_of_work import COUNTER_MAX, COUNTER_MIN, LIVES_MS
from posthouse.store.engine import Store


@pytest.fixture(autouse=True)
def _easy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The official solver is to find it at once."""
    assert 0 < COUNTER_MIN < COUNTER_MAX
    monkeypatch.setattr(proof_of_work, "COUNTER_MIN", 20)
    monkeypatch.setattr(proof_of_work, "COUNTER_MAX", 40)


def solved(box: SecretBox, at_ms: int | None = None) -> dict[str, Any]:
    """What altcha's own solver sends for a challenge as it went over the wire."""
    described = json.loads(json.dumps(proof_of_work.challenge(box, now_ms=at_ms or now_ms())))
    challenge = altcha.Challenge.from_dict(described)
    solution = altcha.solve_challenge(challenge)
    assert solution is not None
    payload: dict[str, Any] = altcha.Payload(challenge, solution).to_dict()
    return payload


def sent(payload: object) -> str:
    return base64.b64encode(json.dumps(payload).encode()).decode()


def test_a_proof_counts_once(store: Store, box: SecretBox) -> None:
    proof = sent(solved(box))

    def redeem(_: int) -> bool:
        try:
            proof_of_work.redeem(store, box, proof, now_ms=now_ms())
        except ProofMissing:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(redeem, range(4))) == 1


def test_the_same_proof_written_otherwise_counts_no_second_time(store: Store, box: SecretBox) -> None:
    payload = solved(box)
    proof_of_work.redeem(store, box, sent(payload), now_ms=now_ms())
    payload["solution"]["time"] = 7
    payload["solution"]["counter"] += 1
    with pytest.raises(ProofMissing):
        proof_of_work.redeem(store, box, sent(payload), now_ms=now_ms())


def test_an_old_proof_counts_no_more(store: Store, box: SecretBox) -> None:
    made_ms = now_ms()
    proof = sent(solved(box, made_ms))
    with pytest.raises(ProofMissing):
        proof_of_work.redeem(store, box, proof, now_ms=made_ms + LIVES_MS)
    with pytest.raises(ProofMissing):
        proof_of_work.redeem(store, box, sent(solved(box, made_ms - LIVES_MS)), now_ms=now_ms())


def test_a_proof_of_somebody_elses_challenge_is_none(store: Store, box: SecretBox) -> None:
    with pytest.raises(ProofMissing):
        proof_of_work.redeem(store, box, sent(solved(SecretBox(b"x" * 32))), now_ms=now_ms())


@pytest.mark.parametrize(
    "change",
    [
        {"expiresAt": 9_999_999_999},
        {"keyPrefix": ""},
        {"cost": 0},
        {"nonce": "00" * 16},
        {"keySignature": None},
    ],
)
def test_a_challenge_that_was_made_easier_is_none(
    store: Store, box: SecretBox, change: dict[str, Any]
) -> None:
    payload = solved(box)
    payload["challenge"]["parameters"].update(change)
    with pytest.raises(ProofMissing):
        proof_of_work.redeem(store, box, sent(payload), now_ms=now_ms())


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "x",
        "e30=",
        sent([]),
        sent({"challenge": 1, "solution": 2}),
        sent({"challenge": {}}),
        "A" * 5000,
        base64.b64encode(b"[" * 3000).decode(),
        base64.b64encode(b"\xff\xfe").decode(),
    ],
)
def test_rubbish_is_no_proof(store: Store, box: SecretBox, payload: str) -> None:
    with pytest.raises(ProofMissing):
        proof_of_work.redeem(store, box, payload, now_ms=now_ms())


def test_a_wrong_solution_is_none(store: Store, box: SecretBox) -> None:
    payload = solved(box)
    payload["solution"]["derivedKey"] = "00" * 32
    with pytest.raises(ProofMissing):
        proof_of_work.redeem(store, box, sent(payload), now_ms=now_ms())
