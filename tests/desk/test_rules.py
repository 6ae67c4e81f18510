"""What texts and images may be, and what counts as a signal."""

import hashlib

import pytest

from posthouse.desk.rules import (
    IMAGE_BYTES_MAX,
    Thresholds,
    Use,
    check_period,
    findings_in,
    image_name,
    media_type,
    parse_line,
    parse_text,
)
from posthouse.kernel.problems import UnfitValue


@pytest.mark.parametrize("text", ["a", "  充值　没到账 ", "👩‍💻 key", "x" * 120])
def test_a_line_is_kept_as_it_was_written(text: str) -> None:
    assert parse_line("subject", text, 120) == text.strip()


@pytest.mark.parametrize("text", ["", "  ", "x" * 121, "a\nb", "a\x00", "a\u202eb", "a\u2028b", "a\ud800"])
def test_what_is_no_line(text: str) -> None:
    with pytest.raises(UnfitValue, match="subject: "):
        parse_line("subject", text, 120)


def test_a_text_has_lines_that_end_in_one_way() -> None:
    assert parse_text("text", " a\r\n\tb\rc \n", 10) == "a\n\tb\nc"


@pytest.mark.parametrize("text", ["", "\n", "x" * 11, "a\x1bb", "a\u2066b"])
def test_what_is_no_text(text: str) -> None:
    with pytest.raises(UnfitValue, match="text: "):
        parse_text("text", text, 10)


@pytest.mark.parametrize("until_ms", [None, 6])
def test_a_period_ends_after_it_begins(until_ms: int | None) -> None:
    check_period(5, until_ms)


def test_a_period_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(UnfitValue, match="until_ms"):
        check_period(5, 5)


@pytest.mark.parametrize(
    ("body", "suffix", "media"),
    [
        (b"\x89PNG\r\n\x1a\n...", "png", "image/png"),
        (b"\xff\xd8\xff...", "jpg", "image/jpeg"),
        (b"RIFF\x00\x00\x00\x00WEBP...", "webp", "image/webp"),
    ],
)
def test_an_image_is_named_by_what_is_in_it(body: bytes, suffix: str, media: str) -> None:
    name = image_name(body)
    assert name == f"{hashlib.sha256(body).hexdigest()[:32]}.{suffix}"
    assert media_type(name) == media


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"RIFF\x00\x00\x00\x00WAVE",
        b"<html>\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n" + bytes(IMAGE_BYTES_MAX),
    ],
    ids=["nothing", "svg", "wave", "html", "too large"],
)
def test_what_is_no_safe_image_is_refused(body: bytes) -> None:
    with pytest.raises(UnfitValue, match="image: "):
        image_name(body)


LOW = Thresholds(keys_of_address=3, accounts_of_address=2, addresses_of_key=2)


def test_many_keys_of_one_account_at_one_address_are_one_finding() -> None:
    (found,) = findings_in((Use(b"\x01", "acc_a", f"key_{i}", 10) for i in range(3)), LOW)
    assert (found.signal, found.subject, found.size, found.requests) == ("keys_of_address", "01", 3, 30)
    assert found.account_ids == ("acc_a",)
    assert found.key_ids == ("key_0", "key_1", "key_2")


def test_many_accounts_at_one_address_are_not_told_twice() -> None:
    (found,) = findings_in((Use(b"\x01", f"acc_{i}", f"key_{i}", 1) for i in range(3)), LOW)
    assert (found.signal, found.size) == ("accounts_of_address", 3)


def test_a_key_that_is_used_from_many_addresses_is_found() -> None:
    (found,) = findings_in((Use(bytes([i]), "acc_a", "key_a", 1) for i in range(2)), LOW)
    assert (found.signal, found.subject, found.size) == ("addresses_of_key", "key_a", 2)


def test_below_the_thresholds_nothing_is_found() -> None:
    uses = [Use(b"\x01", "acc_a", "key_0", 1), Use(b"\x01", "acc_a", "key_1", 1)]
    assert findings_in(uses, LOW) == []
