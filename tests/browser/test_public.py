"""The pages that anybody sees."""

import pytest
from playwright.sync_api import expect
from tests.browser.conftest import OpenTab, axe, no_sideways_scroll, shot

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(("language", "scheme"), [("en", "light"), ("zh", "dark")])
def test_home(open_tab: OpenTab, language: str, scheme: str) -> None:
    page = open_tab("/", language=language, scheme=scheme)
    expect(page.get_by_text("/v1").first).to_be_visible()
    axe(page)
    shot(page, f"home-{language}-{scheme}")
    phone = open_tab("/", language=language, scheme=scheme, phone=True)
    no_sideways_scroll(phone)
    axe(phone)
    shot(phone, f"home-{language}-{scheme}-phone")
