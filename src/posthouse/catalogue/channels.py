"""Channels as the relay uses them: each definition filled up from its preset."""

from typing import Any

from posthouse.catalogue.errors import ConfigurationError, Problem
from posthouse.catalogue.rules import TABLES, ChannelDef, nearest
from posthouse.providers.presets import Preset, presets
from posthouse.routing.channels import AUTH, DEFAULT_CREDENTIAL, ChannelSpec, CredentialDef
from posthouse.wire.headers import FORWARDED_REQUEST_HEADERS

# What a definition may leave to its preset.
_FROM_PRESET = (
    *("base_url", "api_version", "dialects"),
    *("connect_s", "tls_s", "header_s", "first_byte_s", "idle_s", "total_s"),
    *("connection_idle_s", "connections_max"),
)
_AS_DEFINED = (
    *("name", "preset", "models", "model_map", "priority", "weight", "enabled", "proxy"),
    *("keep_alive_s", "tls_verify", "ca_file", "health"),
)
_AS_PRESET = ("roots", "paths", "stream_usage", "probe_path")

# Headers that callers send too; sent twice they would mean nothing, or two things.
_CALLERS = {name.decode() for names in FORWARDED_REQUEST_HEADERS.values() for name in names}


def resolved(definition: ChannelDef) -> ChannelSpec:
    """The channel that a definition makes with its preset. Raises ConfigurationError where there is no such
    preset, or no base URL: `check` says so before."""
    problems = channel_problems(definition)
    if problems:
        raise ConfigurationError(problems)
    preset = presets()[definition.preset]
    fields: dict[str, Any] = {field: getattr(definition, field) for field in _AS_DEFINED}
    fields |= {field: getattr(preset, field) for field in _AS_PRESET}
    fields |= {field: getattr(definition, field) or getattr(preset, field) for field in _FROM_PRESET}
    headers = {name.lower(): value for name, value in definition.headers.items()}
    defaults = {name: value for name, value in headers.items() if name in _CALLERS}
    return ChannelSpec(
        **fields,
        headers={name: value for name, value in headers.items() if name not in defaults},
        default_headers=preset.default_headers | defaults,
        credentials=definition.credentials or (CredentialDef(name=DEFAULT_CREDENTIAL),),
        auth=dict.fromkeys(AUTH, definition.auth) if definition.auth else preset.auth,
        drop=_dropped(preset, definition),
        rename=_renamed(preset, definition),
        cost_multiplier=str(definition.cost_multiplier),
    )


def _dropped(preset: Preset, definition: ChannelDef) -> tuple[str, ...]:
    own = definition.drop if preset.stream_usage else (*definition.drop, "stream_options")
    return (*(one for one in preset.drop if one not in own and one not in definition.rename), *own)


def _renamed(preset: Preset, definition: ChannelDef) -> dict[str, str]:
    """What the definition says, and of the preset what does not contradict it."""
    own, dropped = definition.rename, definition.drop
    spoken_of = {*own, *own.values(), *dropped}
    return {old: new for old, new in preset.rename.items() if not spoken_of & {old, new}} | own


def channel_problems(definition: ChannelDef) -> list[Problem]:
    """What a definition lacks that its preset does not give."""
    path = (TABLES["channel"], definition.name)
    preset: Preset | None = presets().get(definition.preset)
    if preset is None:
        near = nearest(definition.preset, presets())
        return [Problem((*path, "preset"), "unknown_preset", {"name": definition.preset, "near": near})]
    if not (definition.base_url or preset.base_url):
        return [Problem((*path, "base_url"), "url_missing", {"preset": definition.preset})]
    return []
