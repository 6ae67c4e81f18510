import pytest

from posthouse.kernel.errors import RelayCode
from posthouse.limits.rules import (
    Demand,
    LimitRule,
    Measure,
    Quota,
    format_reset,
    limited_network,
    quota_headers,
)


@pytest.mark.parametrize(
    ("reset_ms", "text"),
    [
        (-5, "0ms"),
        (0, "0ms"),
        (250, "250ms"),
        (1000, "1s"),
        (1500, "1.5s"),
        (59_999, "59.999s"),
        (360_000, "6m0s"),
        (3_552_500, "59m12.5s"),
        (3_600_000, "1h0m0s"),
        (86_400_000, "24h0m0s"),
    ],
)
def test_durations_read_as_in_openais_headers(reset_ms: int, text: str) -> None:
    assert format_reset(reset_ms) == text


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_an_ipv6_address_counts_as_its_64(address: str, network: str) -> None:
    assert limited_network(address) == network


def test_what_is_no_address_has_no_network() -> None:
    with pytest.raises(ValueError, match="example"):
        limited_network("example.com")


@pytest.mark.parametrize(
    ("measure", "code"),
    [
        (Measure.REQUESTS, RelayCode.FREE_STANDARD_REQUESTS),
        (Measure.TOKENS, RelayCode.FREE_STANDARD_TOKENS),
        (Measure.SPEND, RelayCode.RATE_LIMITED),
        (Measure.CONCURRENCY, RelayCode.RATE_LIMITED),
    ],
)
def test_each_measure_has_its_error_number(measure: Measure, code: RelayCode) -> None:
    one = LimitRule(
        name="r",
        subject="key",
        window_ms=1000,
        requests_code=RelayCode.FREE_STANDARD_REQUESTS,
        tokens_code=RelayCode.FREE_STANDARD_TOKENS,
    )
    assert one.code(measure) is code


def test_each_subject_is_counted_by_its_own_value() -> None:
    call = Demand(key_id="k", address=b"a", account_id="acc", plan="free", rules=())
    values = [call.value_of(subject) for subject in ("key", "address", "account", "plan")]
    assert values == ["k", b"a", "acc", "free"]


def test_headers_tell_only_quotas_that_exist() -> None:
    assert quota_headers(None, None) == b""
    assert quota_headers(None, Quota(10, 4, 1000)) == (
        b"x-ratelimit-limit-tokens: 10\r\nx-ratelimit-reset-tokens: 1s\r\nx-ratelimit-remaining-tokens: 4\r\n"
    )
