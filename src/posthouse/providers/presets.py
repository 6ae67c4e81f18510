"""What is known of each kind of upstream, as shipped in data/providers.toml. Pure."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType

import msgspec
from msgspec import Struct


class Preset(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a channel of this kind has where its definition says nothing else; routing.channels.ChannelSpec
    tells what each field means. `base_url` is empty where only the operator can know it. `source`: the
    provider's page that says so."""

    title: str
    source: str
    base_url: str = ""
    api_version: str = ""
    dialects: tuple[str, ...] = ("openai",)
    roots: dict[str, str] = {}
    paths: dict[str, str] = {}
    auth: dict[str, str] = {}
    default_headers: dict[str, str] = {}
    drop: tuple[str, ...] = ()
    rename: dict[str, str] = {}
    stream_usage: bool = True
    connect_s: float = 5.0
    tls_s: float = 5.0
    header_s: float = 600.0  # a reasoning model may think for minutes before its first byte
    first_byte_s: float = 600.0
    idle_s: float = 300.0
    total_s: float = 3600.0
    # Below what upstreams' balancers keep (OpenAI's front: 90 s and more; nginx: 75 s; many: 60 s), so that
    # a pooled connection is seldom one that the other side has just closed.
    connection_idle_s: float = 45.0
    # HTTP/1.1 carries one call a connection, and as many calls to one upstream fill any account's limits.
    connections_max: int = 4096
    probe_path: str = "/models"


@cache
def presets() -> Mapping[str, Preset]:
    """All presets by name."""
    text = (resources.files("posthouse") / "data" / "providers.toml").read_text("utf-8")
    return MappingProxyType(msgspec.convert(tomllib.loads(text), dict[str, Preset]))
