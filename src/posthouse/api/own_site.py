"""The site as mails, passkeys and providers of sign-in know it: its name and where browsers reach it."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request

from posthouse.api.context import Context, From, Here
from posthouse.api.frame import BASE
from posthouse.api.problems import Problem
from posthouse.api.visit import Visit
from posthouse.catalogue.sealed import site_secret
from posthouse.catalogue.site import GITHUB
from posthouse.kernel.secrets import SecretText
from posthouse.people.elsewhere import Provider
from posthouse.people.links import Site
from posthouse.people.passkeys import RelyingParty

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened on


async def _own_site(request: Request, here: Here, visit: From) -> Site:
    site = here.market.catalogue.site
    url = site.public_url or _local_url(here, visit, request.headers.get("host", ""))
    return Site(site.name, url, site.contact_email)


OwnSite = Annotated[Site, Depends(_own_site)]


def _local_url(here: Context, visit: Visit, host: str) -> str:
    """Where a site is reached that has not been told. A request's own word is taken only for this machine:
    else anybody could have links mailed that lead to them."""
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        name = None
    if name in _LOOPBACK:
        return f"{'https' if visit.is_secure else 'http'}://{host}"
    settings = here.settings
    listening = "localhost" if settings.host in _EVERYWHERE else settings.host
    return f"http://{f'[{listening}]' if ':' in listening else listening}:{settings.port}"


def relying_party(site: Site) -> RelyingParty:
    return RelyingParty(site.name, site.url)


def callback_url(site: Site) -> str:
    """Where providers send people back to: what the operator registers with them."""
    return f"{site.url}{BASE}/sign-in/elsewhere/callback"


def provider_of(here: Context, name: str) -> Provider:
    """The provider of that name, as the operator has set it up. Raises Problem for any other."""
    sign_in = here.market.catalogue.site.sign_in
    if name == GITHUB and sign_in.github_client_id:
        return Provider(name=name, client_id=sign_in.github_client_id, client_secret=_secret(here, GITHUB))
    for one in sign_in.oidc:
        if one.secret == name:
            return Provider(
                name=name,
                client_id=one.client_id,
                client_secret=_secret(here, one.secret),
                issuer=one.issuer,
                scopes=one.scopes,
            )
    raise Problem("not_found")


def _secret(here: Context, name: str) -> SecretText:
    return site_secret(here.store, here.box, name) or SecretText("")
