"""Every page, walked through as a visitor, a member and an owner: what axe finds in light and in dark
colours, sideways scrolling, what the browser's console complains of."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page
from tests.browser.conftest import STILL, OpenTab, Site, in_both_schemes
from tests.browser.everything import CONFIGURATION, Everything, walk

__all__ = ["CONFIGURATION"]  # of the site

pytestmark = pytest.mark.browser

ROUTES = Path(__file__).resolve().parents[2] / "console" / "src" / "pages"
WIDTHS = (1280, 768, 360)
# Who has a key already gets none on the first page after registering: the answer is 409. A page that is left
# waits for nothing more.
EXPECTED = re.compile("/register/key|status of 409|net::ERR_ABORTED")


@pytest.fixture(scope="module")
def everything(site: Site) -> Everything:
    return Everything(site)


def test_every_route_is_walked(everything: Everything) -> None:
    """A page that is added comes into the walk."""
    declared = "".join(path.read_text("utf-8") for path in ROUTES.glob("*/routes.tsx"))
    routes = set(re.findall(r'path: "([^"]+)", shell: "\w+",[^{}]*page:', declared))
    assert len(routes) > 40
    walked = {path.split("?")[0] for paths in everything.paths.values() for path in paths}
    missed = {one for one in routes if not any(matches(one, path) for path in walked)}
    assert missed == set()


def matches(route: str, path: str) -> bool:
    return re.fullmatch(re.sub(r":\w+", "[^/]+", route), path) is not None


@contextmanager
def complaints(page: Page) -> Iterator[list[str]]:
    """What the browser's console complains of, and requests that fail."""
    found: list[str] = []

    def note(line: str) -> None:
        if not EXPECTED.search(line):
            found.append(line)

    page.on("console", lambda line: note(line.text) if line.type in ("error", "warning") else None)
    page.on("response", lambda got: note(f"{got.status} {got.url}") if got.status >= 400 else None)
    page.on("requestfailed", lambda request: note(f"{request.failure} {request.url}"))
    yield found


def wide(page: Page) -> list[str]:
    """Widths of the screen at which the page is wider than it."""
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 860})
        page.evaluate(STILL)  # charts are drawn anew
        has = page.evaluate("document.documentElement.scrollWidth")
        if has > width:
            found.append(f"{has} px wide at {width}")
    page.set_viewport_size({"width": WIDTHS[0], "height": 860})
    return found


@pytest.mark.parametrize("who", ["visitor", "member", "operator"])
def test_pages(everything: Everything, open_tab: OpenTab, who: str) -> None:
    page = open_tab("/faq", account_id=everything.whose[who])
    html = page.locator("html")
    faults: list[str] = []
    with complaints(page) as complained:
        page.reload()
        page.wait_for_selector("h1")
        for path in everything.paths[who]:
            walk(page, path)
            faults += [f"{path}: {one}" for one in [*in_both_schemes(html), *wide(page), *complained]]
            complained.clear()
    assert faults == [], "\n".join(faults)
