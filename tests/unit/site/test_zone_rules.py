"""TZ rules from the machine's table."""

from __future__ import annotations

import pytest

from appliance.site.zone_rules import posix_rule


def test_rules() -> None:
    assert posix_rule("Europe/Paris") == "CET-1CEST,M3.5.0,M10.5.0/3"
    assert posix_rule("America/New_York") == "EST5EDT,M3.2.0,M11.1.0"
    assert posix_rule("UTC") == "UTC0"


@pytest.mark.parametrize("name", ["Nowhere/Land", "../../etc/passwd", "/etc/passwd", ""])
def test_what_is_no_zone(name: str) -> None:
    assert posix_rule(name) == "UTC0"
