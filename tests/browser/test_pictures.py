"""The pictures that docs/console.md shows:

POSTHOUSE_SHOTS=docs/screenshots scripts/test tests/browser/test_pictures.py
"""

import os

import pytest
from tests.browser.conftest import LIMITS, OpenTab, Site, shot
from tests.browser.past import give_past

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        "POSTHOUSE_SHOTS" not in os.environ, reason="POSTHOUSE_SHOTS names no folder for pictures"
    ),
]

CONFIGURATION = (
    """
[operator]
name = "Posthouse"
default_plan = "free"
topup_plan = "paid"

[site]
public_url = "https://relay.example.org"
contact_email = "desk@example.org"

[families]
standard = { kind = "standard" }
premium = { kind = "premium" }

[models."gpt-4o-mini"]
list = "openai/gpt-4o-mini"
family = "standard"
[models."gpt-4o"]
list = "openai/gpt-4o"
family = "premium"
[models."o3"]
list = "openai/o3"
family = "premium"
[models."claude-sonnet-4-5"]
list = "anthropic/claude-sonnet-4-5"
family = "premium"
[models."claude-haiku-4-5"]
list = "anthropic/claude-haiku-4-5"
family = "standard"
[models."gemini-2.5-flash"]
list = "gemini/gemini-2.5-flash"
family = "standard"
[models."deepseek-chat"]
list = "deepseek/deepseek-chat"
family = "standard"

[plans.free]
kind = "free"
models = ["family:standard"]
"""
    + LIMITS
    + """
[channels.openai]
base_url = "${UPSTREAM_BASE_URL}"
credential = "${UPSTREAM_API_KEY}"
models = ["gpt-*", "o3"]
[channels.claude]
base_url = "${UPSTREAM_BASE_URL}"
credential = "${UPSTREAM_API_KEY}"
dialects = ["openai", "anthropic"]
models = ["claude-*"]
[channels.others]
base_url = "${UPSTREAM_BASE_URL}"
credential = "${UPSTREAM_API_KEY}"
models = ["gemini-*", "deepseek-*"]
"""
)
MODELS = {
    "gpt-4o-mini": 8,
    "claude-sonnet-4-5": 6,
    "gpt-4o": 5,
    "gemini-2.5-flash": 4,
    "deepseek-chat": 3,
    "claude-haiku-4-5": 3,
    "o3": 2,
}


@pytest.fixture(scope="module")
def people(site: Site) -> dict[str, str]:
    """Accounts by what they are."""
    names = ("ann", "bo", "cem", "dao", "eva", "finn")
    members = [site.account(email=f"{name}@example.org")[0] for name in names]
    give_past(site, *members, calls=9_000, models=MODELS)
    owner, _ = site.account("owner", email="owner@example.org")
    return {"member": members[0], "owner": owner}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_pictures(open_tab: OpenTab, people: dict[str, str], language: str) -> None:
    suffix = "" if language == "en" else "-zh"
    pages = [
        ("home", "/", "", "light"),
        ("prices", "/prices", "", "dark"),
        ("status", "/status", "", "light"),
        ("dashboard", "/dashboard", "member", "light"),
        ("usage", "/usage", "member", "light"),
        ("overview", "/admin", "owner", "light"),
        ("channel", "/admin/channels/openai", "owner", "dark"),
    ]
    for name, path, who, scheme in pages:
        page = open_tab(path, account_id=people.get(who, ""), language=language, scheme=scheme)
        if name == "status":
            page.get_by_text("90", exact=False).first.click()
        if name == "channel":
            page.get_by_text("7 days" if language == "en" else "7 天", exact=True).click()
        page.wait_for_timeout(300)  # charts are drawn after their data has come
        shot(page, name + suffix)
    phone = open_tab("/dashboard", account_id=people["member"], language=language, scheme="dark", phone=True)
    phone.wait_for_timeout(300)
    shot(phone, f"phone{suffix}")
