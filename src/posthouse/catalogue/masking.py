"""What of a channel's definition may hold a secret, kept from sight: the user and password of its proxy, and
the values of its headers. Pure.

KEPT stands in their place wherever a definition is shown, exported or audited; where a definition comes back,
it means what is stored. So whoever may change a channel needs not know its secrets, and can't read them.
"""

from urllib.parse import urlsplit

import msgspec

from posthouse.catalogue.errors import ConfigurationError, Path, Problem
from posthouse.catalogue.rules import TABLES, ChannelDef, Definition

KEPT = "(kept)"


def masked(definition: Definition) -> Definition:
    """The definition as it may be shown."""
    if not isinstance(definition, ChannelDef):
        return definition
    return msgspec.structs.replace(
        definition,
        proxy=_masked_proxy(definition.proxy),
        headers=dict.fromkeys(definition.headers, KEPT),
    )


def restored(definition: Definition, stored: Definition | None) -> Definition:
    """The definition with what is stored in each place that says KEPT. Raises ConfigurationError where
    nothing is stored for it; a proxy's password goes to no other host than the stored one."""
    if not isinstance(definition, ChannelDef):
        return definition
    before = stored if isinstance(stored, ChannelDef) else None
    path: Path = (TABLES["channel"], definition.name)
    headers = {
        name: _kept((*path, "headers", name), before.headers.get(name) if before else None)
        if value == KEPT
        else value
        for name, value in definition.headers.items()
    }
    proxy = definition.proxy
    if KEPT in proxy:
        is_same = before is not None and proxy == _masked_proxy(before.proxy)
        proxy = _kept((*path, "proxy"), before.proxy if before and is_same else None)
    return msgspec.structs.replace(definition, headers=headers, proxy=proxy)


def _kept(path: Path, stored: str | None) -> str:
    if stored is None:
        raise ConfigurationError([Problem(path, "nothing_kept", {"kept": KEPT})])
    return stored


def _masked_proxy(proxy: str) -> str:
    user, at, _ = urlsplit(proxy).netloc.rpartition("@")
    return proxy.replace(f"{user}@", f"{KEPT}@", 1) if at else proxy
