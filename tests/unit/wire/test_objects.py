"""Which objects of an upstream's a request names, and which one an answer has made."""

import json
from typing import Any

import pytest
from tests.unit.nesting import DEPTH

from posthouse.metering.ceilings import may_hold_media
from posthouse.wire.json_edit import COMMAS_MAX, BrokenBody
from posthouse.wire.objects import HOLDERS_MAX, Made, object_made, objects_named

CHAT, MESSAGES, GENERATE = "chat/completions", "messages", "generateContent"
GOOGLE = "https://generativelanguage.googleapis.com/v1beta/"


def named(endpoint: str, **body: Any) -> tuple[str, ...]:
    return objects_named(endpoint, json.dumps(body).encode())


def said(*parts: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "plain"}, {"role": "user", "content": list(parts)}]}


def google(uri: str, spelled: str = "fileData fileUri") -> dict[str, Any]:
    data, name = spelled.split()
    return {"contents": [{"parts": [{"text": "see"}, {data: {name: uri}}]}]}


@pytest.mark.parametrize(
    ("endpoint", "body", "ids"),
    [
        (CHAT, said({"type": "file", "file": {"file_id": "file-1"}}), ("file-1",)),
        (CHAT, said(*[{"file": {"file_id": f"file-{n % 2}"}} for n in range(4)]), ("file-0", "file-1")),
        (CHAT, said({"type": "file", "file": {"file_id": None, "file_data": "data:"}}), ()),
        (CHAT, said({"type": "text", "text": '"file_id": "file-1"'}), ()),
        (CHAT, said() | {"metadata": {"file_id": "the caller's own"}}, ()),
        (CHAT, said({"type": "file", "file": "file_id"}), ()),
        ("embeddings", said({"file": {"file_id": "file-1"}}), ()),
        (MESSAGES, {"container": "container_1"}, ("container_1",)),
        (MESSAGES, {"container": {"id": "container_1", "skills": []}}, ("container_1",)),
        (MESSAGES, {"container": {"skills": []}}, ()),
        (MESSAGES, {"container": None}, ()),
        (MESSAGES, said({"type": "document", "source": {"type": "file", "file_id": "file_1"}}), ("file_1",)),
        (MESSAGES, said({"type": "container_upload", "file_id": "file_1"}), ("file_1",)),
        (
            "messages/count_tokens",
            said({"type": "tool_result", "content": [{"type": "image", "source": {"file_id": "file_1"}}]}),
            ("file_1",),
        ),
        # What a caller's own tool takes, and what a provider's tool said it has written.
        (MESSAGES, said({"type": "tool_use", "input": {"file_id": "the tool's"}}), ()),
        (MESSAGES, said({"type": "tool_result", "content": {"content": [{"file_id": "written"}]}}), ()),
        (GENERATE, {"cachedContent": "cachedContents/1"}, ("cachedContents/1",)),
        ("countTokens", {"generateContentRequest": {"cached_content": "cached/1"}}, ("cached/1",)),
        (GENERATE, google(GOOGLE + "files/1"), ("files/1",)),
        (GENERATE, google("files/1", "file_data file_uri"), ("files/1",)),
        (GENERATE, google(GOOGLE.upper() + "somewhere"), (GOOGLE.upper() + "somewhere",)),
        (GENERATE, google("https://video.example.org/watch?v=files/1"), ()),
        ("batchEmbedContents", {"requests": [{"content": google("files/1")["contents"][0]}]}, ("files/1",)),
    ],
)  # fmt: skip
def test_what_a_request_names(endpoint: str, body: dict[str, Any], ids: tuple[str, ...]) -> None:
    assert named(endpoint, **body) == ids
    assert not ids or may_hold_media(json.dumps(body).encode())  # else nobody looks for them


@pytest.mark.parametrize("spelled", [r"\u0066ile_id", r"file\u005Fid", r"file\u005fi\u0064"])
def test_no_escape_hides_a_name(spelled: str) -> None:
    body = r'{"messages":[{"content":[{"text":"<\u003c","file":{"NAME":"file-1"}}]}]}'.replace(
        "NAME", spelled
    )
    assert objects_named(CHAT, body.encode()) == ("file-1",)
    assert may_hold_media(body.encode())


def test_all_of_a_repeated_member_are_named() -> None:
    """Parsers differ in which one they take."""
    body = b'{"container":"container_1","container":"container_2"}'
    assert objects_named(MESSAGES, body) == ("container_1", "container_2")


def test_what_would_hold_everyone_up_is_refused() -> None:
    many = said(*[{"file": {"file_id": "x"}} for _ in range(HOLDERS_MAX + 1)])
    with pytest.raises(BrokenBody, match="too_many_elements"):
        named(CHAT, **many)
    long = b'{"file_id":0,"messages":[%b0]}' % (b"0," * (COMMAS_MAX + 1))
    with pytest.raises(BrokenBody, match="too_many_elements"):
        objects_named(CHAT, long)


def test_what_is_nested_too_deeply_is_refused() -> None:
    with pytest.raises(BrokenBody, match="too_deep"):
        objects_named(CHAT, b'{"messages":[{"file_id":%b0%b}]}' % (b"[" * DEPTH, b"]" * DEPTH))
    with pytest.raises(BrokenBody, match="too_deep"):
        objects_named("messages", b'{"container":%b0%b}' % (b"[" * DEPTH, b"]" * DEPTH))


@pytest.mark.parametrize(
    ("kind", "answer", "made"),
    [
        ("chat_completion", {"id": "chatcmpl-1"}, Made("chat_completion", "chatcmpl-1")),
        ("chat_completion", {"id": ""}, None),
        ("chat_completion", {"id": "c" * 201}, None),
        ("chat_completion", {"id": 7}, None),
        ("container", {"id": "msg_1"}, None),
        ("container", {"id": "msg_1", "text": '"container"', "container": None}, None),
        ("container", {"id": "msg_1", "container": {"id": ""}}, None),
        ("container", {"id": "msg_1", "container": {"id": "container_1"}}, Made("container", "container_1")),
        (
            "container",
            {"id": "msg_1", "container": {"id": "container_1", "expires_at": "2026-11-22T00:00:01Z"}},
            Made("container", "container_1", 1_795_305_601_000),
        ),
        (
            "container",
            {"id": "msg_1", "container": {"id": "container_1", "expires_at": "2026-11-22T00:00:01"}},
            Made("container", "container_1", 1_795_305_601_000),
        ),
    ],
)
def test_what_an_answer_has_made(kind: str, answer: dict[str, Any], made: Made | None) -> None:
    assert object_made(kind, json.dumps(answer).encode()) == made


def test_an_answer_that_only_speaks_of_a_container_has_made_none() -> None:
    assert object_made("container", b'{"id":"msg_1","content":[{"container":1}]}') is None
