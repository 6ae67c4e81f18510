import msgspec

from posthouse.kernel.secrets import SecretBox
from posthouse.mail import outbox
from posthouse.mail.letters import Letter
from posthouse.people import registration
from posthouse.people.links import Site
from posthouse.people.registration import Applicant, Registered
from posthouse.people.sessions import Device
from posthouse.store.engine import Store

NOW_MS = 1_800_000_000_000
SITE = Site("Posthouse", "https://relay.example.org", "help@example.org")
HERE = b"here" * 4
GOOD = "correct horse 9"


class Rules(msgspec.Struct, frozen=True):
    """What the operator allows, as `[site.registration]` has it."""

    open: str = "open"
    new_accounts_per_day: int | None = None
    accounts_per_address_per_day: int | None = 3
    verify_email: bool = True
    free_key: bool = True

    def takes_mail(self, email: str) -> bool:
        return email.endswith("example.org")


OPEN = Rules()
UNVERIFIED = Rules(verify_email=False)


def applicant(email: str = "ann@example.org", code: str = "", address_hash: bytes = HERE) -> Applicant:
    return Applicant(email=email, language="en", code=code, address_hash=address_hash)


def joined(
    store: Store, email: str = "ann@example.org", rules: Rules = UNVERIFIED, **more: str
) -> Registered:
    """A member with a password and an address that nobody has verified."""
    return registration.register(store, rules, applicant(email, **more), GOOD, now_ms=NOW_MS)


def mailed(store: Store, box: SecretBox) -> list[Letter]:
    """What waits to be sent, the oldest first; taken out."""
    waiting = outbox.due(store, now_ms=NOW_MS * 2, limit=100)
    for mail in waiting:
        outbox.remove(store, mail.id)
    return [outbox.opened(box, mail) for mail in waiting]


def device() -> Device:
    return Device("203.0.113.7", HERE, "a browser")


def token_in(letter: Letter) -> str:
    return letter.text.partition("#token=")[2].split()[0]
