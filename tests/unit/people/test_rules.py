"""What a mailbox is, and where a provider of sign-in may be asked."""

import pytest

from posthouse.people.errors import NotAnEmail
from posthouse.people.rules import is_askable, parse_mailbox


@pytest.mark.parametrize("text", ["Ann@Example.ORG ", "a.b+c@x-y.example.org", "o'brien@example.museum"])
def test_a_mailbox(text: str) -> None:
    assert parse_mailbox(text) == text.strip().lower()


@pytest.mark.parametrize(
    "text",
    [
        *("", "ann", "ann@host", "a b@example.org", "ann@example.org,", "<ann@example.org>"),
        *(".ann@example.org", "ann@-x.org", "ann@example.o", "x" * 65 + "@example.org"),
        *("ann@" + "x." * 130 + "org", "ann@例子.org"),
    ],
)
def test_no_mailbox(text: str) -> None:
    with pytest.raises(NotAnEmail):
        parse_mailbox(text)


@pytest.mark.parametrize(
    ("url", "issuer", "may"),
    [
        ("https://keys.example.org/jwks", "https://id.example.org", True),
        ("http://keys.example.org/jwks", "https://id.example.org", False),
        ("http://127.0.0.1:9090/", "https://id.example.org", False),
        ("http://127.0.0.1:9090/", "http://localhost:8080", True),
        ("http://keys.example.org/", "http://localhost:8080", False),
        ("http://id.example.org", "http://id.example.org", False),
        ("ftp://id.example.org/", "https://id.example.org", False),
        ("https://", "https://id.example.org", False),
        ("https://[", "https://id.example.org", False),
    ],
)
def test_where_a_provider_may_be_asked(url: str, issuer: str, may: bool) -> None:
    assert is_askable(url, issuer) is may
