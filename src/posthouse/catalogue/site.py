"""The site: what members meet before and beside the relay. One definition, the file's `[site]`.

Secrets are no part of it: they are sealed by name, "mail" for the mail server's password, "github" and
"oidc:NAME" for clients' secrets (catalogue.sealed). Pure.
"""

import re
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from posthouse.catalogue.fields import Amount, Count, amount_nanos, checked
from posthouse.kernel.errors import Language
from posthouse.kernel.problems import UnfitValue
from posthouse.payments.rules import Rewards
from posthouse.people.rules import is_askable
from posthouse.routing.channels import check_url

LANGUAGES: tuple[Language, ...] = get_args(Language)
MailSecurity = Literal["starttls", "tls", "none"]
Registration = Literal["open", "invitation", "closed"]

# Names of the site's secrets; a provider's name follows the last.
MAIL = "mail"
GITHUB = "github"
OIDC = "oidc:"

_DOMAIN = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f<>,]{1,64}@[^@\s\x00-\x1f\x7f<>,]{1,189}")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_LOGO = re.compile(r"[0-9a-f]{32}\.(png|jpg|webp)")
SITE_NAME_CHARS_MAX = 60  # what a page's head and a mail's subject can show


def _has_port(host: str) -> bool:
    return urlsplit(f"http://{host}").port is not None


def _is_under(domain: str, domains: tuple[str, ...]) -> bool:
    """Whether it is one of these, or of a name below one."""
    return any(domain == one or domain.endswith(f".{one}") for one in domains)


def _check_email(field: str, text: str) -> None:
    if text and _EMAIL.fullmatch(text) is None:
        raise UnfitValue(field, "email")


def _check_public_url(url: str) -> None:
    check_url("public_url", url, schemes=("http", "https"))
    parts = urlsplit(url)
    if url != f"{parts.scheme}://{parts.netloc}" or "@" in parts.netloc:
        raise UnfitValue("public_url", "origin")


class _Definition(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Fields left out of a definition stay out of its stored form, so that a new default reaches all."""


class MailDef(_Definition, frozen=True):
    """The mail server that letters go out by; without `host` they are shown in the log instead. `sender`: the
    address that they come from. Raises UnfitValue for what can't be one."""

    host: str = ""
    port: Annotated[int, Meta(ge=1, le=65535)] = 587
    security: MailSecurity = "starttls"
    username: str = ""
    sender: str = ""

    def __post_init__(self) -> None:
        if self.host:
            check_url("host", f"http://{self.host}", schemes=("http",))
            if urlsplit(f"http://{self.host}").netloc != self.host or _has_port(self.host):
                raise UnfitValue("host", "host")
        _check_email("sender", self.sender)
        if self.host and not self.sender:
            raise UnfitValue("sender", "sender_needed")


class OidcDef(_Definition, frozen=True):
    """A provider of sign-in by OpenID Connect. `name` is kept with the people who come by it, so it
    never changes; `title` is on the button. Raises UnfitValue for what can't be one."""

    name: str
    issuer: str
    client_id: str
    title: str = ""
    scopes: tuple[str, ...] = ("openid", "email", "profile")

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            raise UnfitValue("name", "provider_name")
        if self.name == GITHUB:
            raise UnfitValue("name", "provider_name_taken", name=GITHUB)
        check_url("issuer", self.issuer, schemes=("https", "http"))
        if not is_askable(self.issuer, self.issuer):
            raise UnfitValue("issuer", "url", scheme="https", schemes="https")
        if "openid" not in self.scopes:
            raise UnfitValue("scopes", "openid_needed")

    @property
    def secret(self) -> str:
        """The name that its client's secret is sealed under."""
        return OIDC + self.name


class SignInDef(_Definition, frozen=True):
    """The ways to sign in. GitHub's is on where it has a client's id. Raises UnfitValue where none is
    left."""

    password: bool = True
    passkeys: bool = True
    github_client_id: str = ""
    oidc: tuple[OidcDef, ...] = ()

    def __post_init__(self) -> None:
        names = [one.name for one in self.oidc]
        if len(names) != len(set(names)):
            raise UnfitValue("oidc", "same_name")
        if not (self.password or self.passkeys or self.github_client_id or self.oidc):
            raise UnfitValue("password", "no_way_in")


class RegistrationDef(_Definition, frozen=True):
    """Who may register, and what they get. Days are sliding: any 24 hours. `mail_domains`: only these, and
    what is under them; empty: all but the blocked ones. `free_key`: a key is made at registration.
    `free_keys_max`, `paid_keys_max`: keys of an account on a plan of that kind, None: no bound; each key has
    quotas of its own, so many free keys are many times the free quota."""

    open: Registration = "open"
    new_accounts_per_day: Count | None = None
    accounts_per_address_per_day: Count | None = 3
    mail_domains: tuple[str, ...] = ()
    blocked_mail_domains: tuple[str, ...] = ()
    verify_email: bool = True
    free_key: bool = True
    free_keys_max: Count | None = 1
    paid_keys_max: Count | None = 50
    proof_of_work: bool = True

    def __post_init__(self) -> None:
        for field in ("mail_domains", "blocked_mail_domains"):
            for domain in getattr(self, field):
                if _DOMAIN.fullmatch(domain) is None:
                    raise UnfitValue(field, "domain", name=domain)

    def keys_max(self, plan_kind: str) -> int | None:
        """How many keys an account on a plan of this kind may have; None: no bound."""
        return self.free_keys_max if plan_kind == "free" else self.paid_keys_max

    def takes_mail(self, email: str) -> bool:
        """Whether an address of this domain may register."""
        domain = email.rpartition("@")[2]
        if _is_under(domain, self.blocked_mail_domains):
            return False
        return not self.mail_domains or _is_under(domain, self.mail_domains)


class ReferralDef(_Definition, frozen=True):
    """What an invited member's first top-up brings, in the operator's currency: to the inviter and to the
    invited."""

    inviter_reward: Amount = "0"
    invited_reward: Amount = "0"

    def __post_init__(self) -> None:
        checked("inviter_reward", amount_nanos, self.inviter_reward)
        checked("invited_reward", amount_nanos, self.invited_reward)

    @property
    def rewards(self) -> Rewards:
        return Rewards(amount_nanos(str(self.inviter_reward)), amount_nanos(str(self.invited_reward)))


class TopupDef(_Definition, frozen=True):
    """Top-ups in the operator's currency: the least and the most of one order, the amounts that are offered,
    and the total paid from which members may ask for an invoice; None: they can't."""

    min: Amount = "1"
    max: Amount = "10000"
    amounts: tuple[Amount, ...] = ("10", "50", "100", "500")
    invoice_from_total: Amount | None = None

    def __post_init__(self) -> None:
        checked("min", amount_nanos, self.min)
        checked("max", amount_nanos, self.max)
        for amount in self.amounts:
            checked("amounts", amount_nanos, amount)
        if self.invoice_from_total is not None:
            checked("invoice_from_total", amount_nanos, self.invoice_from_total)
        if not 0 < self.min_nanos <= self.max_nanos:
            raise UnfitValue("min", "above_zero_below_max")
        if any(not self.min_nanos <= one <= self.max_nanos for one in self.amounts_nanos):
            raise UnfitValue("amounts", "between_min_and_max")

    @property
    def min_nanos(self) -> int:
        return amount_nanos(str(self.min))

    @property
    def max_nanos(self) -> int:
        return amount_nanos(str(self.max))

    @property
    def amounts_nanos(self) -> tuple[int, ...]:
        return tuple(amount_nanos(str(one)) for one in self.amounts)

    @property
    def invoice_from_total_nanos(self) -> int | None:
        return None if self.invoice_from_total is None else amount_nanos(str(self.invoice_from_total))


class SiteDef(_Definition, frozen=True):
    """What the site is called and reached by, and its rules. `name`: empty is the operator's name (a compiled
    catalogue's has it filled in). `logo`: the name of an uploaded image. `public_url`: where browsers reach
    it, for links in mail and for sign-in elsewhere; without a slash at its end. `languages`: the first is the
    default. Raises UnfitValue for what can't be one."""

    name: str = ""
    logo: str = ""
    public_url: str = ""
    contact_email: str = ""
    languages: tuple[Language, ...] = LANGUAGES
    mail: MailDef = MailDef()
    sign_in: SignInDef = SignInDef()
    registration: RegistrationDef = RegistrationDef()
    referral: ReferralDef = ReferralDef()
    topup: TopupDef = TopupDef()

    def __post_init__(self) -> None:
        if len(self.name) > SITE_NAME_CHARS_MAX or not self.name.isprintable():
            raise UnfitValue("name", "printable", max_length=SITE_NAME_CHARS_MAX)
        if self.logo and _LOGO.fullmatch(self.logo) is None:
            raise UnfitValue("logo", "logo")
        if self.public_url:
            _check_public_url(self.public_url)
        _check_email("contact_email", self.contact_email)
        if not self.languages or len(self.languages) != len(set(self.languages)):
            raise UnfitValue("languages", "languages")

    @property
    def secrets(self) -> tuple[str, ...]:
        """The names of all secrets that it may have."""
        return (MAIL, GITHUB, *(one.secret for one in self.sign_in.oidc))
