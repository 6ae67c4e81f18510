"""The `[site]` table: what it may say, and where its secrets go."""

from typing import Any

import pytest
from tests.catalogue.files import compiled, read

from posthouse.catalogue.errors import ConfigurationError
from posthouse.catalogue.queries import load_catalogue
from posthouse.catalogue.sealed import load_credentials, site_secret, site_secret_names
from posthouse.catalogue.service import apply
from posthouse.catalogue.site import RegistrationDef, SiteDef, TopupDef
from posthouse.kernel.money import NANOS
from posthouse.kernel.secrets import SecretBox
from posthouse.payments.rules import Rewards
from posthouse.store.engine import Store

NOW_MS = 1_800_000_000_000
FULL = """
[operator]
name = "Posthouse Ann"

[site]
public_url = "https://relay.example.org"
contact_email = "help@example.org"
languages = ["zh", "en"]

[site.mail]
host = "smtp.example.org"
sender = "relay@example.org"
username = "relay"
password = "${UPSTREAM_API_KEY}"

[site.sign_in]
github_client_id = "gh"
github_client_secret = "gh secret"

[[site.sign_in.oidc]]
name = "works"
title = "Works"
issuer = "https://id.example.org"
client_id = "relay"
client_secret = "works secret"

[site.registration]
open = "invitation"
mail_domains = ["example.org"]

[site.referral]
inviter_reward = 1.5

[site.topup]
min = 5
amounts = [5, "10"]
invoice_from_total = "200"
"""


def message_of(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read(text)
    return str(caught.value)


def test_a_site_is_compiled_with_its_amounts_in_nanos() -> None:
    site = compiled(FULL).site
    assert (site.name, site.languages[0]) == ("Posthouse Ann", "zh")
    assert site.referral.rewards == Rewards(inviter_nanos=1_500_000_000, invited_nanos=0)
    assert site.topup.min_nanos == 5 * NANOS
    assert site.topup.amounts_nanos == (5 * NANOS, 10 * NANOS)
    assert site.topup.invoice_from_total_nanos == 200 * NANOS
    assert site.secrets == ("mail", "github", "oidc:works")


def test_without_a_site_the_defaults_stand() -> None:
    site = compiled('[plans.free]\nkind = "free"\n').site
    assert site.name == "Posthouse"
    assert site == SiteDef(name="Posthouse")
    assert TopupDef().invoice_from_total_nanos is None


def test_a_name_of_the_sites_own_goes_before_the_operators() -> None:
    assert compiled('[operator]\nname = "A"\n[site]\nname = "B"\n').site.name == "B"


@pytest.mark.parametrize(
    ("kind", "keys"), [("free", 1), ("paid", 50)], ids=["one free key", "more for who pays"]
)
def test_keys_are_bounded_by_the_kind_of_plan(kind: str, keys: int) -> None:
    assert RegistrationDef().keys_max(kind) == keys


@pytest.mark.parametrize(
    ("rules", "email", "taken"),
    [
        ({}, "ann@anywhere.example", True),
        ({"mail_domains": ("example.org",)}, "ann@example.org", True),
        ({"mail_domains": ("example.org",)}, "ann@mail.example.org", True),
        ({"mail_domains": ("example.org",)}, "ann@notexample.org", False),
        ({"blocked_mail_domains": ("example.org",)}, "ann@a.example.org", False),
        ({"blocked_mail_domains": ("b.org",), "mail_domains": ("example.org",)}, "ann@b.org", False),
    ],
)
def test_domains_decide_who_may_register(rules: dict[str, Any], email: str, taken: bool) -> None:
    assert RegistrationDef(**rules).takes_mail(email) is taken


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("[site]\nnaem = 'x'", ":2: site: unknown field 'naem'; did you mean 'name'?"),
        ("[site]\nname = 'a\\u0007'".replace("'", '"'), "site.name: has at most 60"),
        (f"[site]\nname = '{'x' * 61}'", "site.name: has at most 60"),
        ("[site]\nlogo = '../etc/passwd'", "site.logo: is set by uploading"),
        ("[site]\npublic_url = 'https://a.org/path'", "site.public_url: has scheme, host and port only"),
        ("[site]\npublic_url = 'https://u@a.org'", "site.public_url: has scheme, host and port only"),
        ("[site]\npublic_url = 'javascript:alert(1)'", "site.public_url: needs a URL"),
        ("[site]\ncontact_email = 'nobody'", "site.contact_email: is not an email"),
        ("[site]\nlanguages = []", "site.languages: names one at least"),
        ("[site]\nlanguages = ['en', 'en']", "site.languages: names one at least"),
        ("[site.mail]\nhost = 'a b'", ":2: site.mail.host: needs a URL"),
        ("[site.mail]\nhost = 'a.org:25'", "site.mail.host: is a name or address only"),
        ("[site.mail]\nhost = 'a.org'", "site.mail.sender: is missing: mail needs an address"),
        ("[site.mail]\nsecurity = 'ssl'", "site.mail.security: 'ssl' is none of starttls, tls, none"),
        ("[site.mail]\npassword = ''", "site.mail.password: must be printable text"),
        ("[site.mail]\npassword = 7", "site.mail.password: must be printable text"),
        ("[site]\nmail = 7", "site.mail: must be a table"),
        ("[site.sign_in]\npassword = false\npasskeys = false", "site.sign_in.password: nobody could sign in"),
        ("[site.sign_in]\noidc = 7", "site.sign_in.oidc: must be a list"),
        ("[site.sign_in]\noidc = [7]", "site.sign_in.oidc[0]: must be a table"),
        (
            "[site.registration]\nmail_domains = ['Example.org']",
            "site.registration.mail_domains: 'Ex",
        ),
        ("[site.referral]\ninviter_reward = -1", "site.referral.inviter_reward: must not be negative"),
        ("[site.topup]\nmin = 0", "site.topup.min: must be more than zero"),
        ("[site.topup]\nmin = 20\namounts = [10]", "site.topup.amounts: must be between min and max"),
        ("[site.topup]\ninvoice_from_total = 'x'", "site.topup.invoice_from_total: 'x' is not an amount"),
    ],
)
def test_what_a_site_can_not_be_is_named_with_its_place(lines: str, problem: str) -> None:
    assert problem in message_of(lines)


@pytest.mark.parametrize(
    ("provider", "problem"),
    [
        ({"name": "Works"}, "name: has at most 40 of a-z"),
        ({"name": "github"}, "name: 'github' is taken"),
        ({"issuer": "id.example.org"}, "issuer: needs a URL"),
        ({"issuer": "http://id.example.org"}, "issuer: needs a URL"),
        ({"scopes": ["email"]}, "scopes: lacks 'openid'"),
    ],
)
def test_what_a_provider_can_not_be(provider: dict[str, Any], problem: str) -> None:
    fields = {"name": "works", "issuer": "https://id.example.org", "client_id": "relay"} | provider
    lines = "\n".join(f"{name} = {value!r}" for name, value in fields.items())
    assert f"site.sign_in.oidc[0].{problem}" in message_of(f"[[site.sign_in.oidc]]\n{lines}")


def test_two_providers_need_two_names() -> None:
    one = '[[site.sign_in.oidc]]\nname = "a"\nissuer = "https://a.org"\nclient_id = "x"\n'
    assert "site.sign_in.oidc: two have the same name" in message_of(one * 2)


# -- secrets -------------------------------------------------------------------------------------------------


def test_secrets_are_sealed_apart_and_never_shown(store: Store, box: SecretBox) -> None:
    changes = apply(store, read(FULL), box, now_ms=NOW_MS)
    assert "canary" not in str(changes)
    assert "secret" not in str(load_catalogue(store).site)
    opened = {name: site_secret(store, box, name) for name in ("mail", "github", "oidc:works", "oidc:other")}
    assert {name: one and one.reveal() for name, one in opened.items()} == {
        "mail": "canary UPSTREAM",
        "github": "gh secret",
        "oidc:works": "works secret",
        "oidc:other": None,
    }
    assert load_credentials(store, box) == {}  # channels' only


def test_a_new_secret_is_a_change_and_the_same_one_is_none(store: Store, box: SecretBox) -> None:
    apply(store, read(FULL), box, now_ms=NOW_MS)
    assert apply(store, read(FULL), box, now_ms=NOW_MS) == []
    other = read(FULL.replace("gh secret", "another"))
    assert [str(one) for one in apply(store, other, box, now_ms=NOW_MS)] == [
        '~ site\n    secrets.github: (default) -> "(new)"'
    ]


def test_a_provider_that_goes_takes_its_secret_along(store: Store, box: SecretBox) -> None:
    apply(store, read(FULL), box, now_ms=NOW_MS)
    apply(store, read('[site]\nname = "Less"\n'), box, now_ms=NOW_MS)
    with store.read() as connection:
        assert site_secret_names(connection) == {"mail", "github"}


def test_a_file_without_a_site_leaves_it(store: Store, box: SecretBox) -> None:
    apply(store, read(FULL), box, now_ms=NOW_MS)
    apply(store, read('[operator]\nname = "New"\n'), box, now_ms=NOW_MS)
    assert load_catalogue(store).site.public_url == "https://relay.example.org"
