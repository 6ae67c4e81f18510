"""What the page for operators says of the desk is what the code does."""

import re

import pytest
from tests.docs.pages import read, rows_of, section_of

from posthouse.desk.abuse import DISMISSED_MS
from posthouse.desk.rules import OPEN_TICKETS_MAX, TICKET_MESSAGES_MAX, Thresholds

ORDER = ("accounts_of_address", "keys_of_address", "addresses_of_key", "registrations")


@pytest.mark.parametrize(
    ("page", "title", "column"),
    [("docs/operations.md", "The desk", "signal"), ("docs/operations.zh.md", "服务台", "迹象")],
)
def test_the_desks_numbers_are_the_codes(page: str, title: str, column: str) -> None:
    section = section_of(read(page), title)
    thresholds = Thresholds()
    assert [int(row[1]) for row in rows_of(section, column)] == [getattr(thresholds, one) for one in ORDER]
    numbers = set(map(int, re.findall(r"\d+", section)))
    assert {TICKET_MESSAGES_MAX, OPEN_TICKETS_MAX, thresholds.days, DISMISSED_MS // 86_400_000} <= numbers
