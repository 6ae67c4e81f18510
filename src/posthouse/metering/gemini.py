"""Meters an answer of Gemini's API, streamed or not: each event of a stream is an answer of its own, with
the usage so far.

Google bills searches beside the tokens, up to Gemini 2 for a prompt that was grounded by any, since Gemini 3
for each query that differs.

Source: ai.google.dev, "GenerateContentResponse" and "Grounding with Google Search".
"""

import re
from collections.abc import Callable, Collection

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from posthouse.metering.meter import Meter, is_no_json
from posthouse.metering.usage import Usage, usage_of_gemini
from posthouse.wire.sse import data_of


class _Call(Struct, gc=False):
    name: str | None = None
    args: Raw | UnsetType = UNSET


class _Code(Struct, gc=False):
    code: str | None = None
    output: str | None = None


class _Part(Struct, gc=False, rename="camel"):
    text: str | None = None
    function_call: _Call | None = None
    executable_code: _Code | None = None
    code_execution_result: _Code | None = None


class _Content(Struct, gc=False):
    parts: list[_Part] | None = None


class _Grounding(Struct, gc=False, rename="camel"):
    web_search_queries: list[str] | None = None


class _Candidate(Struct, gc=False, rename="camel"):
    index: int = 0
    content: _Content | None = None
    finish_reason: str | None = None
    grounding_metadata: _Grounding | None = None


class _Feedback(Struct, gc=False, rename="camel"):
    block_reason: str | None = None


class _Answer(Struct, gc=False, rename="camel"):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: Raw | UnsetType = UNSET
    model_version: str | None = None
    error: Raw | UnsetType = UNSET


_decode_answer = msgspec.json.Decoder(_Answer).decode


class GeminiMeter(Meter):
    """`data` finds the JSON of an event: server-sent events have no last one, so the last with a reason to
    finish is held back; of an array the closing bracket is held back too, and is the end."""

    __slots__ = ("_data", "_model", "_queries", "_usage")

    def __init__(self, data: Callable[[bytes], bytes | None] = data_of) -> None:
        super().__init__()
        self._data = data
        self._usage: Raw | None = None
        self._queries: set[str] = set()
        self._model = ""

    @property
    def usage(self) -> Usage | None:
        usage = None if self._usage is None else usage_of_gemini(self._usage)
        return _with_searches(usage, self._queries, self._model)

    def _feed_one(self, event: bytes) -> bytes:
        data = self._data(event)
        if data is None:
            if event.endswith(b"]"):
                self.saw_done = True
                self.last += event
                return b""
            return self._hold(event) if self.saw_finish else event
        try:
            answer = _decode_answer(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self.is_opening = self.is_opening and is_no_json(error)
            return self._hold(event) if self.saw_finish else event
        self.is_opening = False
        for candidate in answer.candidates or ():
            self._note_candidate(candidate)
        self._model = answer.model_version or self._model
        if answer.prompt_feedback is not None and answer.prompt_feedback.block_reason:
            self.saw_finish = True
        if answer.usage_metadata is not UNSET:
            self._note_usage(answer.usage_metadata)
        if answer.error is not UNSET:
            self.error_seen = True
        return self._hold(event) if self.saw_finish else event

    def _hold(self, event: bytes) -> bytes:
        """Hold this event back instead of the one before it."""
        before, self.last = self.last, event
        return before

    def _note_candidate(self, candidate: _Candidate) -> None:
        for part in _parts(candidate):
            for text in _texts(part):
                self._note_text(candidate.index, text)
        self._queries.update(_queries(candidate))
        if candidate.finish_reason is not None:
            self.saw_finish = True

    def _note_usage(self, raw: Raw) -> None:
        self._usage = raw
        if b'"candidatesTokenCount"' in bytes(raw):  # early reports count the prompt alone
            self._usage_bytes = self.text_bytes


def usage_of_gemini_answer(body: bytes) -> Usage | None:
    """The usage that a JSON answer reports; None when there is none or it is malformed or absurd."""
    try:
        answer = _decode_answer(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if answer.usage_metadata is UNSET:
        return None
    queries = {query for one in answer.candidates or () for query in _queries(one)}
    return _with_searches(usage_of_gemini(answer.usage_metadata), queries, answer.model_version or "")


def texts_of_gemini(body: bytes) -> list[str]:
    """The text of an answer that was not streamed, one piece per candidate: what to count when it reports no
    usage."""
    try:
        candidates = _decode_answer(body).candidates or ()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []
    return ["".join(text for part in _parts(one) for text in _texts(part)) for one in candidates]


def _queries(candidate: _Candidate) -> list[str]:
    grounding = candidate.grounding_metadata
    return [query for query in grounding.web_search_queries or () if query] if grounding is not None else []


def _with_searches(usage: Usage | None, queries: Collection[str], model: str) -> Usage | None:
    if usage is None or not queries:
        return usage
    searches = 1 if _BILLED_BY_PROMPT.search(model) else len(queries)
    return msgspec.structs.replace(usage, quantities={**usage.quantities, "web_search": searches})


_BILLED_BY_PROMPT = re.compile(r"gemini-[12]\b")


def _parts(candidate: _Candidate) -> list[_Part]:
    return (candidate.content.parts or []) if candidate.content is not None else []


def _texts(part: _Part) -> list[str]:
    texts = [part.text]
    if part.function_call is not None:
        args = part.function_call.args
        texts += [part.function_call.name, "" if args is UNSET else bytes(args).decode(errors="replace")]
    if part.executable_code is not None:
        texts.append(part.executable_code.code)
    if part.code_execution_result is not None:
        texts.append(part.code_execution_result.output)
    return [text for text in texts if text]
