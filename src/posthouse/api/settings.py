"""The site's settings, its secrets and its logo."""

import ssl
from collections.abc import Mapping
from smtplib import (
    SMTPAuthenticationError,
    SMTPException,
    SMTPNotSupportedError,
    SMTPRecipientsRefused,
    SMTPResponseException,
)
from typing import Annotated, Any, Literal

import fastapi
from fastapi import Path, Response
from msgspec import Struct, structs
from pydantic import ConfigDict, Field

from posthouse.accounts.queries import get_account
from posthouse.api.context import Caller, Context, Here, Who
from posthouse.api.editing import make, refused
from posthouse.api.frame import BASE, Router
from posthouse.api.permissions import PUBLIC, Permission
from posthouse.api.values import Answer, Body
from posthouse.catalogue.document import define, is_secret
from posthouse.catalogue.edits import Definitions, Edit, version_of
from posthouse.catalogue.errors import ChangedMeanwhile, ConfigurationError
from posthouse.catalogue.queries import read_definitions
from posthouse.catalogue.rules import Configuration, Kind, OperatorDef
from posthouse.catalogue.sealed import SITE, Name, site_secret_names
from posthouse.catalogue.site import GITHUB, MAIL, OIDC, SiteDef
from posthouse.desk.images import keep_only, put_image, read_image
from posthouse.desk.rules import IMAGE_BYTES_MAX, media_type
from posthouse.kernel.errors import Language
from posthouse.kernel.problems import UnfitValue
from posthouse.kernel.secrets import SecretText
from posthouse.mail.letters import write
from posthouse.mail.smtp import MailRefused

router = Router("settings")
ImageName = Annotated[str, Path(description="The image's name, as the settings tell it.")]

# The definitions say what is wrong with a value; here is only what a person could mean at all.
Decimal = Annotated[str, Field(max_length=40, description="A decimal number.")]
Short = Annotated[str, Field(max_length=1000)]
Count = Annotated[int, Field(ge=0, le=10**9)]
_KEYS: tuple[tuple[Kind, str], ...] = (("operator", "operator"), ("site", "site"))
MailOutcome = Literal["sent", "no_server", "unreachable", "encryption", "sign_in", "refused"]
IMAGE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The image.", "content": {"image/*": {"schema": {"type": "string"}}}}
}
LOGO_KEPT_S = 365 * 86_400  # what is stored under its name never changes


class OperatorSettings(Body):
    """What is counted in which money, and how calls are tried: `[operator]` of the configuration."""

    name: Short = Field(description="The operator's name.")
    currency: str = Field(max_length=20, description="Of all amounts; converts nothing.")
    exchange_rate: Decimal = Field(description="Of the currency for one US dollar of a list price.")
    key_prefix: str = Field(max_length=20, description="What new keys begin with.")
    default_plan: Short = Field(description="Plan of a new account.")
    topup_plan: Short = Field(description="Plan that a top-up leads to; empty: none.")
    timezone: Short = Field(description="Whose days and months are counted.")
    choice: Literal["weighted", "latency"] = Field(description="Among channels of one priority.")
    attempts_max: int = Field(ge=1, le=8, description="Tries for one call.")
    attempts_total_s: float = Field(gt=0, description="Seconds from the first try until no other begins.")


class MailSettings(Body):
    """The mail server."""

    host: Short = Field(description="Empty: letters are shown in the log.")
    port: int = Field(ge=1, le=65535, description="Its port.")
    security: Literal["starttls", "tls", "none"] = Field(description="How it is spoken to.")
    username: Short = Field(description="To sign in there; the password is among the secrets.")
    sender: Short = Field(description="The address that letters come from.")


class OidcSettings(Body):
    """A provider of sign-in by OpenID Connect."""

    name: str = Field(max_length=40, description="Kept with who comes by it: never changed.")
    title: str = Field(max_length=60, description="On the button.")
    issuer: Short = Field(description="Its address.")
    client_id: Short = Field(description="What it calls this site.")
    scopes: list[Short] = Field(max_length=20, description="Asked for.")


class SignInSettings(Body):
    """The ways to sign in."""

    password: bool = Field(description="By email and password.")
    passkeys: bool = Field(description="By passkey.")
    github_client_id: Short = Field(description="By GitHub, where it is set.")
    oidc: list[OidcSettings] = Field(max_length=10, description="By OpenID Connect.")


class RegistrationSettings(Body):
    """Who may register, and what they get."""

    open: Literal["open", "invitation", "closed"] = Field(description="Who may register.")
    new_accounts_per_day: Count | None = Field(description="In any 24 hours; null: no bound.")
    accounts_per_address_per_day: Count | None = Field(description="The same from one address.")
    mail_domains: list[Short] = Field(max_length=10_000, description="Only these; empty: all.")
    blocked_mail_domains: list[Short] = Field(max_length=10_000, description="None of these.")
    verify_email: bool = Field(description="An account is usable once its email is confirmed.")
    free_key: bool = Field(description="A new account gets a key.")
    free_keys_max: Count | None = Field(description="Keys of an account on a free plan; null: no bound.")
    paid_keys_max: Count | None = Field(description="Keys of an account on a paid plan; null: no bound.")
    proof_of_work: bool = Field(description="The browser solves a puzzle first.")


class ReferralSettings(Body):
    """What an invited member's first top-up brings."""

    inviter_reward: Decimal = Field(description="To the inviter.")
    invited_reward: Decimal = Field(description="To the invited.")


class TopupSettings(Body):
    """Top-ups."""

    min: Decimal = Field(description="The least of one order.")
    max: Decimal = Field(description="And the most.")
    amounts: list[Decimal] = Field(max_length=20, description="Offered.")
    invoice_from_total: Decimal | None = Field(description="Total paid for an invoice; null: none.")


class SiteSettings(Body):
    """`[site]` of the configuration."""

    name: str = Field(max_length=60, description="The site's name; empty: the operator's.")
    logo: str = Field(max_length=40, description="Set by uploading an image.")
    public_url: Short = Field(description="Where browsers reach the site.")
    contact_email: Short = Field(description="Shown to members.")
    languages: list[Language] = Field(max_length=2, description="The first is the default.")
    mail: MailSettings = Field(description="Its mail.")
    sign_in: SignInSettings = Field(description="How to sign in.")
    registration: RegistrationSettings = Field(description="Who may register.")
    referral: ReferralSettings = Field(description="Rewards.")
    topup: TopupSettings = Field(description="Top-ups.")


class Settings(Answer):
    """All settings as they stand."""

    version: str = Field(description="Names this state of them.")
    operator: OperatorSettings = Field(description="What concerns calls and money.")
    site: SiteSettings = Field(description="What concerns the site and its people.")
    secrets: list[str] = Field(description="Which secrets are set: mail, github, oidc:NAME.")
    plans: list[str] = Field(description="The plans that there are.")


class SettingsBody(Body):
    """All settings as they shall stand."""

    model_config = ConfigDict(str_strip_whitespace=False)  # spaces may be part of a password

    version: str = Field(max_length=100, description="The state that was changed; another is refused.")
    operator: OperatorSettings = Field(description="What concerns calls and money.")
    site: SiteSettings = Field(description="What concerns the site and its people.")
    secrets: dict[Annotated[str, Field(max_length=60)], Annotated[str, Field(max_length=1000)] | None] = (
        Field({}, max_length=20, description="New secrets by name; null: delete it. What is not named stays.")
    )


class LogoAnswer(Answer):
    """Where the logo is."""

    logo: str = Field(description="Its address; empty: there is none.")


class MailTest(Answer):
    """How a letter went."""

    outcome: MailOutcome = Field(
        description="sent; no_server: none is set; unreachable, encryption, sign_in: what failed of the way "
        "there; refused: it did not take the letter."
    )
    to: str = Field(description="To whom.")


@router.get("/settings", Permission.SETTINGS_READ)
def get_settings(here: Here) -> Settings:
    """Tell all settings, of secrets only whether they are set."""
    return _settings(here)


@router.put("/settings", Permission.SETTINGS_WRITE)
def put_settings(here: Here, who: Who, body: SettingsBody) -> Settings:
    """Replace all settings.

    Running servers follow within a second."""
    new, gone = _secrets(body)
    fields = {"operator": body.operator.model_dump(), "site": body.site.model_dump()}
    make(here, who, _replacing(fields, body.version), dry_run=False, secrets=new, gone=gone)
    return _settings(here)


@router.put("/settings/logo", Permission.SETTINGS_WRITE)
def put_logo(
    here: Here,
    who: Who,
    image: Annotated[
        bytes,
        fastapi.Body(
            media_type="application/octet-stream",
            max_length=IMAGE_BYTES_MAX,
            description="PNG, JPEG or WebP.",
        ),
    ],
) -> LogoAnswer:
    """Upload the site's logo."""
    name = put_image(here.store, image, now_ms=here.now_ms())
    _set_logo(here, who, name)
    keep_only(here.store, (name,))
    return LogoAnswer(logo=f"{BASE}/images/{name}")


@router.delete("/settings/logo", Permission.SETTINGS_WRITE)
def delete_logo(here: Here, who: Who) -> None:
    """Show the site's name without a logo."""
    _set_logo(here, who, "")
    keep_only(here.store, ())


@router.post("/settings/mail-test", Permission.SETTINGS_WRITE)
def send_test_mail(here: Here, who: Who) -> MailTest:
    """Send a letter to oneself by the mail server as it is set, and tell how that went."""
    to = get_account(here.store, who.own_id).email
    letter = write("test", who.language, to, site=here.market.catalogue.site.name)
    try:
        return MailTest(outcome="sent" if here.mailer.try_now(letter) else "no_server", to=to)
    except (MailRefused, SMTPException, OSError) as error:
        return MailTest(outcome=_fault_of(error), to=to)


@router.get("/images/{name}", PUBLIC, response_class=Response, responses=IMAGE)
def get_image(here: Here, name: ImageName) -> Response:
    """Fetch an uploaded image."""
    headers = {
        "cache-control": f"public, max-age={LOGO_KEPT_S}, immutable",
        "content-security-policy": "default-src 'none'; sandbox",
    }
    return Response(read_image(here.store, name), media_type=media_type(name), headers=headers)


def _fault_of(error: Exception) -> MailOutcome:
    """What of a mail server's ways to fail it was."""
    if isinstance(error, SMTPAuthenticationError):
        return "sign_in"
    if isinstance(error, ssl.SSLError | SMTPNotSupportedError):
        return "encryption"
    if isinstance(error, MailRefused | SMTPResponseException | SMTPRecipientsRefused):
        return "refused"
    return "unreachable"


def _settings(here: Context) -> Settings:
    with here.store.read() as connection:
        definitions = read_definitions(connection)
        secrets = site_secret_names(connection)
    configuration = Configuration.of(definitions)
    return Settings(
        version=_version(definitions),
        operator=_operator(configuration.operator),
        site=_site(configuration.site),
        secrets=sorted(secrets),
        plans=list(configuration.plans),
    )


def _plain(struct: Struct) -> dict[str, Any]:
    """All fields of a definition, with their defaults."""
    fields = {name: getattr(struct, name) for name in struct.__struct_fields__}
    return {name: _plain(one) if isinstance(one, Struct) else one for name, one in fields.items()}


def _operator(operator: OperatorDef) -> OperatorSettings:
    return OperatorSettings(**{**_plain(operator), "exchange_rate": str(operator.exchange_rate)})


def _site(site: SiteDef) -> SiteSettings:
    fields = _plain(site)
    fields["sign_in"]["oidc"] = [_plain(one) for one in site.sign_in.oidc]
    fields["referral"] = {name: str(one) for name, one in fields["referral"].items()}
    total = site.topup.invoice_from_total
    fields["topup"] = {
        "min": str(site.topup.min),
        "max": str(site.topup.max),
        "amounts": [str(one) for one in site.topup.amounts],
        "invoice_from_total": None if total is None else str(total),
    }
    return SiteSettings(**fields)


def _version(before: Definitions) -> str:
    return ":".join(version_of(before.get(key)) for key in _KEYS)


def _replacing(fields: Mapping[str, Mapping[str, Any]], seen: str) -> Edit:
    """Put both definitions in place of those that the caller has seen. Raises Problem."""
    try:
        made = {key: define(*key, fields[key[0]], (key[0],)) for key in _KEYS}
    except ConfigurationError as error:
        raise refused(error) from None

    def edit(before: Definitions) -> Definitions:
        if _version(before) != seen:
            raise ChangedMeanwhile
        return {**before, **made}

    return edit


def _set_logo(here: Context, who: Caller, logo: str) -> None:
    def edit(before: Definitions) -> Definitions:
        site = Configuration.of(before).site
        return {**before, ("site", "site"): structs.replace(site, logo=logo)}

    make(here, who, edit, dry_run=False)


def _secrets(body: SettingsBody) -> tuple[dict[Name, SecretText], list[Name]]:
    """New secrets, and the names of those that go. Raises Problem for one that nothing uses."""
    known = {MAIL, GITHUB, *(OIDC + one.name for one in body.site.sign_in.oidc)}
    for name, secret in body.secrets.items():
        if name not in known or not (secret is None or is_secret(secret)):
            raise UnfitValue(f"secrets.{name}", "secret_unused" if name not in known else "secret")
    new = {(SITE, name): SecretText(one) for name, one in body.secrets.items() if one is not None}
    return new, [(SITE, name) for name, one in body.secrets.items() if one is None]
