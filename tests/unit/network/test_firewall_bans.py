"""Who is banned, when, and who never is."""

from __future__ import annotations

import pytest

from appliance.network.bans import LIMIT, MOST, WINDOW_S, Failures, Kept, Kind, Reason, keep
from appliance.network.firewall import key_of

STRANGER = "192.0.2.66"


def known() -> Kept:
    return keep(
        lan=("203.0.113.0/29",), safe=("198.51.100.128/25",), trunks=("198.51.100.10", "2001:db8:10::/48"), phones=("192.0.2.9", "2001:db8:9::7"),
        administrators=("192.0.2.5",),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (STRANGER, None),
        ("2001:db8:99::1", None),
        ("100.64.0.9", None),
        ("192.168.1.20", Kind.LAN),
        ("10.200.0.1", Kind.LAN),
        ("::ffff:10.0.0.1", Kind.LAN),
        ("127.0.0.1", Kind.LAN),
        ("fd00::7", Kind.LAN),
        ("fe80::1", Kind.LAN),
        ("203.0.113.5", Kind.LAN),
        ("198.51.100.200", Kind.SAFE),
        ("198.51.100.10", Kind.TRUNK),
        ("2001:db8:10:7::1", Kind.TRUNK),
        ("192.0.2.9", Kind.PHONE),
        ("2001:db8:9::ffff", Kind.PHONE),  # in one /64 with a phone
        ("192.0.2.5", Kind.ADMINISTRATOR),
    ],
)
def test_who_is_never_banned(address: str, expected: Kind | None) -> None:
    assert known().why(key_of(address)) == expected


def test_a_ban_of_ipv6_takes_nobody_with_it() -> None:
    """A safe network smaller than the /64 that a ban stands for."""
    kept = keep(lan=(), safe=("2001:db8:7::8/125",), trunks=(), phones=(), administrators=())
    assert kept.why(key_of("2001:db8:7::dead")) is Kind.SAFE


def test_so_many_failures_and_no_fewer() -> None:
    counts = Failures()
    assert [counts.failed(STRANGER, Reason.PASSWORD, float(i)) for i in range(LIMIT)] == [False] * (LIMIT - 1) + [True]
    assert not counts.failed(STRANGER, Reason.PASSWORD, 20.0), "the count began anew"


def test_a_scanner_is_seen_sooner() -> None:
    counts = Failures()
    assert [counts.failed(STRANGER, Reason.SCANNER, 0.0) for _ in range(2)] == [False, True]


def test_failures_are_forgotten() -> None:
    counts = Failures()
    for i in range(LIMIT - 1):
        assert not counts.failed(STRANGER, Reason.SIGN_IN, float(i))
    assert not counts.failed(STRANGER, Reason.SIGN_IN, LIMIT + WINDOW_S)
    counts.forget(STRANGER)
    assert not any(counts.failed(STRANGER, Reason.UNKNOWN_USER, 700.0) for _ in range(LIMIT - 1))


def test_the_count_is_bounded() -> None:
    counts = Failures()
    for i in range(MOST + 10):
        counts.failed(f"2001:db8:{i:x}::", Reason.PASSWORD, 0.0)
    for _ in range(LIMIT - 2):
        counts.failed("2001:db8:9::", Reason.PASSWORD, 1.0)
    assert not counts.failed("2001:db8:9::", Reason.PASSWORD, 2.0), "its first failure was forgotten for those of others"
