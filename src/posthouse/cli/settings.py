"""The settings of a command: the environment's POSTHOUSE_… variables, and what the command line says."""

import ipaddress
import logging
from collections.abc import Mapping
from typing import Any

import msgspec

from posthouse.kernel.errors import PosthouseError
from posthouse.kernel.settings import Settings


class BadSetting(PosthouseError):
    """An environment variable or option has a value that the setting can't have."""


def settings_of(environment: Mapping[str, str], **given: object) -> Settings:
    """The settings that the environment makes, with what was given on the command line (None: not given)
    before them. Raises BadSetting."""
    values = {name: value for name, value in given.items() if value is not None}
    for field in msgspec.structs.fields(Settings):
        variable = f"POSTHOUSE_{field.name.upper()}"
        if field.name not in values and (text := environment.get(variable)):
            values[field.name] = _read(variable, text, field.type)
    settings = Settings(**values)  # type: ignore[arg-type]  # each was read as its field's own type
    _check(settings)
    return settings


def _read(variable: str, text: str, wanted: Any) -> Any:
    value = tuple(part.strip() for part in text.split(",")) if wanted == tuple[str, ...] else text
    try:
        return msgspec.convert(value, wanted, strict=False, dec_hook=lambda type_, raw: type_(raw))
    except msgspec.ValidationError:
        raise BadSetting(f"{variable}={text!r} is no {getattr(wanted, '__name__', wanted)}") from None


def _check(settings: Settings) -> None:
    """What the types alone can't hold."""
    for name in ("port", "ops_port"):
        if not 0 < getattr(settings, name) < 65536:
            raise BadSetting(f"POSTHOUSE_{name.upper()}={getattr(settings, name)} is not between 1 and 65535")
    for name in settings.__struct_fields__:
        if name.endswith(("_max", "_s")) and getattr(settings, name) <= 0:
            raise BadSetting(f"POSTHOUSE_{name.upper()}={getattr(settings, name)} is not above zero")
    if settings.log_level.upper() not in logging.getLevelNamesMapping():
        raise BadSetting(f"POSTHOUSE_LOG_LEVEL={settings.log_level!r} is not debug, info, warning or error")
    for network in settings.trusted_proxies:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            raise BadSetting(f"POSTHOUSE_TRUSTED_PROXIES: {error}") from None
