"""The playground: the console's page calls the relay as any client does, with a key of its own."""

from pydantic import Field

from posthouse.accounts.service import issue_playground_key
from posthouse.api.context import Here, Who
from posthouse.api.frame import Router
from posthouse.api.permissions import Permission
from posthouse.api.values import Answer, Ms
from posthouse.kernel.periods import HOUR_MS
from posthouse.people.throttles import Throttle, try_all

router = Router("playground")

# A page asks for another before that; one that is copied out of a browser ends by itself.
LIFETIME_MS = HOUR_MS
# A few pages at once, each asking hourly.
KEYS_OF_ACCOUNT = Throttle("playground", tries=60, window_ms=HOUR_MS)


class PlaygroundKey(Answer):
    """A key for the console's own use."""

    id: str = Field(description="Always the same for an account.")
    key: str = Field(description="What the page sends to the relay.")
    expires_ms: Ms = Field(description="When it ends.")


@router.post("/playground/key", Permission.KEYS_WRITE)
def issue_key(here: Here, who: Who) -> PlaygroundKey:
    """Get a key with which the console's playground calls the relay.

    It ends after an hour. Its calls are charged as any key's, and count on the limits of the account's oldest
    key, so that it is no allowance besides; it is in no list of keys."""
    now_ms = here.now_ms()
    try_all(here.store, [(KEYS_OF_ACCOUNT, who.account_id)], now_ms=now_ms)
    made = issue_playground_key(here.store, who.account_id, lifetime_ms=LIFETIME_MS)
    return PlaygroundKey(id=made.id, key=made.key, expires_ms=now_ms + LIFETIME_MS)
