"""Look at the JSON of a Gemini request without rebuilding it, and change what must change.

The relay decides by what stands in `generationConfig`. Google's parser takes each field in two spellings,
maxOutputTokens and max_output_tokens, and says nowhere which of two counts: a request in which a governed
field stands twice, or in another case, is refused. The model is the path's: a body may name it too.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from posthouse.wire.json_edit import COMMAS_MAX, BrokenBody, Peek, edit, members

T = TypeVar("T")

# By spelling, what each governed field is called by its documentation.
_GOVERNED = {
    "model": "model",
    "requests": "requests",
    "generationConfig": "generationConfig",
    "generation_config": "generationConfig",
    "serviceTier": "serviceTier",
    "service_tier": "serviceTier",
}
_GOVERNED_CONFIG = {
    "maxOutputTokens": "maxOutputTokens",
    "max_output_tokens": "maxOutputTokens",
    "candidateCount": "candidateCount",
    "candidate_count": "candidateCount",
}

# Google takes 100 at once; to look at a million of them would hold everyone up for seconds.
REQUESTS_MAX = 1000

_decode_text = msgspec.json.Decoder(str).decode
_decode_number = msgspec.json.Decoder(int).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


def peek_gemini(body: bytes, *, stream: bool) -> Peek:
    """Read the governed fields; `stream` is what the path says. Raises BrokenBody."""
    found = _governed(body, _GOVERNED)
    config = _governed(found["generationConfig"], _GOVERNED_CONFIG) if "generationConfig" in found else {}
    choices = _read(config, "candidateCount", _decode_number)
    tier = _read(found, "serviceTier", _decode_text)
    _read(found, "model", _decode_text)
    for request in _requests(found):
        _read(_governed(bytes(request), {"model": "model"}), "model", _decode_text)
    return Peek(
        stream=stream,
        max_tokens=_read(config, "maxOutputTokens", _decode_number),
        n=choices,
        service_tier=None if tier is None else tier.lower(),
    )


def _requests(found: Mapping[str, bytes]) -> list[msgspec.Raw]:
    if found.get("requests", b"").count(b",") > COMMAS_MAX:
        raise BrokenBody("too_many_elements", "requests")
    requests = _read(found, "requests", _decode_list) or []
    if len(requests) > REQUESTS_MAX:
        raise BrokenBody("too_many_elements", "requests")
    return requests


def edit_gemini(body: bytes, model: str, output_cap: int | None = None) -> bytes:
    """The body with the path's model wherever it names one and, where there is a cap, the longest output set;
    all other bytes stay. Takes only what `peek_gemini` accepted."""
    if output_cap is None and b'"model"' not in body and b"\\u00" not in body:
        return body
    name = msgspec.json.encode(f"models/{model}")
    changes: dict[str, bytes] = {}
    capped = output_cap is None
    for key, value in members(body):
        new = value
        if key == "model":
            new = name
        elif key == "requests" and value != b"null":
            new = _renamed(value, name)
        elif output_cap is not None and _GOVERNED.get(key) == "generationConfig":
            new, capped = _capped(value, output_cap), True
        if new != value:
            changes[key] = new
    if output_cap is not None and not capped:
        changes["generationConfig"] = _capped(b"null", output_cap)
    return edit(body, changes) if changes else body


def _renamed(requests: bytes, name: bytes) -> bytes:
    """A batch's requests with this model in each that names one."""
    given = [bytes(one) for one in _decode_list(requests)]
    renamed = [edit(one, {"model": name}) if _names_another(one, name) else one for one in given]
    return requests if renamed == given else b"[" + b",".join(renamed) + b"]"


def _names_another(request: bytes, name: bytes) -> bool:
    return any(key == "model" and value != name for key, value in members(request))


def _capped(config: bytes, output_cap: int) -> bytes:
    limit = b"%d" % output_cap
    if config == b"null":
        return b'{"maxOutputTokens":%b}' % limit
    spelled = {key for key, _ in members(config)} & {"max_output_tokens"}
    return edit(config, {spelled.pop() if spelled else "maxOutputTokens": limit})


def _governed(body: bytes, spellings: Mapping[str, str]) -> dict[str, bytes]:
    """The raw values of the governed fields that stand there and are not null. Raises BrokenBody."""
    found: dict[str, bytes] = {}
    cases = {spelling.casefold(): spelling for spelling in spellings}
    for key, value in members(body):
        name = spellings.get(key)
        if name is None:
            if key.casefold() in cases:
                raise BrokenBody("ambiguous_field", key)
        elif name in found:
            raise BrokenBody("repeated_field", key)
        else:
            found[name] = value
    return {name: value for name, value in found.items() if value != b"null"}


def _read(found: Mapping[str, bytes], name: str, decode: Callable[[bytes], T]) -> T | None:
    """A governed field's value, None where it is not there. Raises BrokenBody where it has another type."""
    if name not in found:
        return None
    try:
        return decode(found[name])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise BrokenBody("wrong_type", name) from None
