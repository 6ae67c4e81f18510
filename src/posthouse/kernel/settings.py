"""What the process is told by its environment and command line. What the operator sells is configuration
(catalogue), not settings."""

from pathlib import Path

import msgspec

MIB = 1024 * 1024


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Each has POSTHOUSE_<NAME> in the environment; every bound has its reason beside it."""

    data: Path = Path("data")
    database: str = ""  # empty: SQLite in the data directory
    host: str = "127.0.0.1"
    port: int = 8000
    ops_host: str = "127.0.0.1"
    ops_port: int = 9000
    master_key: str = ""  # empty: data/master.key
    trusted_proxies: tuple[str, ...] = ()  # networks whose X-Forwarded-For is believed
    log_level: str = "info"

    body_bytes_max: int = 64 * MIB  # a long chat with images in base64; the largest known API limit is 50 MB
    bodies_bytes_max: int = 512 * MIB  # of all callers together, so that uploads can't take the memory
    head_bytes_max: int = 64 * 1024  # what nginx and Node allow, doubled: a flood of headers ends here
    headers_max: int = 128
    head_timeout_s: float = 15.0  # first byte of a request to the end of its headers
    body_timeout_s: float = 30.0  # between two pieces of a body
    keep_alive_s: float = 75.0  # idle connection; as nginx's default
    graceful_stop_s: float = 30.0  # what running calls get to end in when the process is told to stop
    answer_bytes_max: int = 64 * MIB  # an answer held in memory until its charge is on disk

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.data.absolute()}/posthouse.db"
