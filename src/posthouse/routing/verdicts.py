"""What an attempt's end says: about the channel, about its credential, and what is tried next. Pure.

The one table of failover; docs/channels.md shows it and a test holds the two to each other.
"""

import re
from enum import StrEnum

import msgspec


class Verdict(StrEnum):
    """OK: an answer. CALLER: the request itself was refused. RATE_LIMITED: the credential's limit at the
    upstream. OVERLOADED: the upstream has no room. ERROR: it failed. TIMEOUT: a deadline passed. UNREACHABLE:
    no connection, or it broke. MALFORMED: no answer that could be used. MODEL_MISSING: it does not have the
    model. CREDENTIAL: it does not take the credential. QUOTA: the credential's account is used up. FULL: the
    relay has as many connections there as it may, which says nothing about the upstream."""

    OK = "ok"
    CALLER = "caller"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    ERROR = "error"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    MALFORMED = "malformed"
    MODEL_MISSING = "model_missing"
    CREDENTIAL = "credential"
    QUOTA = "quota"
    FULL = "full"


class Next(StrEnum):
    """What follows. CALLER: the caller gets the answer, nothing else is tried. CREDENTIAL: another credential
    of the channel, else another channel. CHANNEL: another channel."""

    CALLER = "caller"
    CREDENTIAL = "credential"
    CHANNEL = "channel"


NEXT = {
    Verdict.OK: Next.CALLER,
    Verdict.CALLER: Next.CALLER,
    Verdict.RATE_LIMITED: Next.CREDENTIAL,
    Verdict.OVERLOADED: Next.CHANNEL,
    Verdict.ERROR: Next.CHANNEL,
    Verdict.TIMEOUT: Next.CHANNEL,
    Verdict.UNREACHABLE: Next.CHANNEL,
    Verdict.MALFORMED: Next.CHANNEL,
    Verdict.MODEL_MISSING: Next.CHANNEL,
    Verdict.CREDENTIAL: Next.CREDENTIAL,
    Verdict.QUOTA: Next.CREDENTIAL,
    Verdict.FULL: Next.CHANNEL,
}

# By the upstream's status; 2xx is an answer, any other 4xx the caller's own, any other 5xx an error.
STATUSES = {
    401: Verdict.CREDENTIAL,
    402: Verdict.QUOTA,
    403: Verdict.CREDENTIAL,
    404: Verdict.MODEL_MISSING,
    408: Verdict.TIMEOUT,
    409: Verdict.OVERLOADED,
    425: Verdict.OVERLOADED,
    429: Verdict.RATE_LIMITED,
    503: Verdict.OVERLOADED,
    529: Verdict.OVERLOADED,  # Anthropic's "overloaded"
}

# By upstream.errors.Fault's value; one whose name begins with "timeout_" is a TIMEOUT.
FAULTS = {
    "dns": Verdict.UNREACHABLE,
    "connect": Verdict.UNREACHABLE,
    "full": Verdict.FULL,
    "tls": Verdict.UNREACHABLE,
    "proxy": Verdict.UNREACHABLE,
    "closed": Verdict.UNREACHABLE,
    "malformed": Verdict.MALFORMED,
    "too_large": Verdict.CALLER,  # every channel would say as much
}

# Words by which an error says more than its status: in its code, type, status or reason, or where its message
# begins. Nowhere else: an upstream may say a caller's own words back, and a caller must not be able to name
# what takes a credential from all others. OpenAI: insufficient_quota (429), billing_* (429); Anthropic: "Your
# credit balance is too low" (400); Google: API_KEY_INVALID (400); xAI: "Incorrect API key" (400); DeepSeek:
# 402; new-api, which resellers run: insufficient_user_quota (403).
_QUOTA = re.compile(
    r"insufficient(_user)?_quota|billing_|insufficient[ _]balance|exceeded_current_quota|account_?overdue|"
    r"Arrearage",
    re.IGNORECASE,
)
_QUOTA_MESSAGE = re.compile(r"(your )?credit balance is too low|insufficient balance", re.IGNORECASE)
_CREDENTIAL = re.compile(r"API_KEY_INVALID|invalid_api_key", re.IGNORECASE)
_CREDENTIAL_MESSAGE = re.compile(r"incorrect api key", re.IGNORECASE)
# Mistral: invalid_model (400); DeepSeek: "Model Not Exist" (400). What the channel's models promise is not
# the caller's mistake.
_MISSING = re.compile(r"model_not_found|invalid_model\b", re.IGNORECASE)
_MISSING_MESSAGE = re.compile(r"model not exist", re.IGNORECASE)
_CALLER = re.compile(
    r"\b(moderation\w*|content_filter|content_policy\w*|context_length_exceeded)\b", re.IGNORECASE
)
# OpenRouter's moderation; Google's files, which nobody else's key may read.
_CALLER_MESSAGE = re.compile(
    r"moderation|input was flagged|to access the (File|CachedContent)|^CachedContent not found"
)
_OK = Verdict.OK  # nearly each call's: CPython 3.11 takes six times as long to find it in its class


def verdict_of_status(status: int, body: bytes = b"") -> Verdict:
    """What an upstream's answer says; `body` is looked at only where it is an error."""
    if status < 300:
        return _OK
    if status == 403 and body.lstrip().startswith(b"<"):
        return Verdict.ERROR  # the page of a firewall on the way, which has not seen whose credential it was
    names, message = _words(body)
    if status in (400, 403, 429) and (_QUOTA.search(names) or _QUOTA_MESSAGE.match(message)):
        return Verdict.QUOTA
    if status == 400 and (_CREDENTIAL.search(names) or _CREDENTIAL_MESSAGE.match(message)):
        return Verdict.CREDENTIAL
    if _CALLER.search(names) or (status == 403 and _CALLER_MESSAGE.search(message)):
        return Verdict.CALLER
    if status == 400 and (_MISSING.search(names) or _MISSING_MESSAGE.match(message)):
        return Verdict.MODEL_MISSING
    verdict = STATUSES.get(status)
    if verdict is not None:
        return verdict
    # A redirect is the answer of something that is no API: nothing of the caller's would mend it.
    return Verdict.CALLER if 400 <= status < 500 else Verdict.ERROR


def _words(body: bytes) -> tuple[str, str]:
    """The names that an error goes by, and its message; "" for what there is not."""
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return "", ""
    if isinstance(said, list) and said:  # Gemini's, where a stream was asked for
        said = said[0]
    if not isinstance(said, dict):
        return "", ""
    error = said.get("error")
    if not isinstance(error, dict):  # DashScope's members stand alone; xAI's "error" is the message
        error = {"message": error, **said}
    details = error.get("details")
    named = [error, *(one for one in (details if isinstance(details, list) else ()) if isinstance(one, dict))]
    names = [str(one.get(name)) for one in named for name in ("code", "type", "status", "reason")]
    return " ".join(names), str(error.get("message"))


def verdict_of_fault(fault: str) -> Verdict:
    """What a fault of the connection says (upstream.errors.Fault's value)."""
    return Verdict.TIMEOUT if fault.startswith("timeout_") else FAULTS[fault]
