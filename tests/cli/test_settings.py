"""The environment and the command line as settings."""

from pathlib import Path

import pytest

from posthouse.cli.settings import BadSetting, settings_of
from posthouse.kernel.settings import Settings


def test_nothing_said_is_the_defaults() -> None:
    assert settings_of({}) == Settings()
    assert settings_of({"POSTHOUSE_PORT": ""}) == Settings()


def test_the_command_line_goes_before_the_environment() -> None:
    environment = {"POSTHOUSE_PORT": "8001", "POSTHOUSE_HOST": "::1", "POSTHOUSE_DATA": "/srv/posthouse"}
    settings = settings_of(environment, port=8002, host=None)
    assert (settings.port, settings.host, settings.data) == (8002, "::1", Path("/srv/posthouse"))


def test_each_kind_of_setting_is_read() -> None:
    settings = settings_of(
        {
            "POSTHOUSE_TRUSTED_PROXIES": "10.0.0.0/8, ::1",
            "POSTHOUSE_HEAD_TIMEOUT_S": "2.5",
            "POSTHOUSE_BODY_BYTES_MAX": "1024",
            "POSTHOUSE_MASTER_KEY": "0123",
            "POSTHOUSE_LOG_LEVEL": "warning",
        }
    )
    assert settings.trusted_proxies == ("10.0.0.0/8", "::1")
    assert settings.head_timeout_s == 2.5
    assert settings.body_bytes_max == 1024
    assert settings.master_key == "0123"


@pytest.mark.parametrize(("name", "text"), [("PORT", "http"), ("PORT", "8.5"), ("KEEP_ALIVE_S", "long")])
def test_what_is_wrong_is_named(name: str, text: str) -> None:
    with pytest.raises(BadSetting, match=f"POSTHOUSE_{name}='{text}' is no "):
        settings_of({f"POSTHOUSE_{name}": text})


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("PORT", "0", "between 1 and 65535"),
        ("OPS_PORT", "65536", "between 1 and 65535"),
        ("HEAD_TIMEOUT_S", "0", "not above zero"),
        ("BODY_BYTES_MAX", "-1", "not above zero"),
        ("LOG_LEVEL", "loud", "debug, info, warning or error"),
        ("TRUSTED_PROXIES", "10.0.0.0/33", "10.0.0.0/33"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "has host bits set"),
    ],
)
def test_what_can_not_be_is_named(name: str, text: str, told: str) -> None:
    with pytest.raises(BadSetting, match=told) as caught:
        settings_of({f"POSTHOUSE_{name}": text})
    assert f"POSTHOUSE_{name}" in str(caught.value)
