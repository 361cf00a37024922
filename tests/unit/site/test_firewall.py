"""The firewall's part of a site: what is refused, with its place and its cure."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.errors import DocumentError
from appliance.site.document import parse
from tests.support.sites import make_site


@pytest.mark.parametrize(
    ("held", "at", "sentence", "hint"),
    [
        ({"safe_networks": ["203.0.113.5/24"]}, "safe_networks[0]", "is not a network", "203.0.113.0/24"),
        ({"safe_networks": ["192.0.2.7", "office"]}, "safe_networks[1]", "is not a network", "prefix length"),
        ({"safe_networks": ["0.0.0.0/0"]}, "safe_networks[0]", "is a large part of the internet", "the network you come from"),
        ({"safe_networks": ["2000::/3"]}, "safe_networks[0]", "is a large part of the internet", "the network you come from"),
        ({"safe_networks": ["224.0.0.0/8"]}, "safe_networks[0]", "is not where anybody outside is", "203.0.113.0/24"),
        ({"safe_networks": ["192.0.2.7", "192.0.2.7/32"]}, "safe_networks[1]", "is listed already", "safe_networks[0]"),
        ({"outside": ["eth 1"]}, "outside[0]", "is not the name of a network interface", "eth1"),
        ({"outside": ["eth1", "eth1"]}, "outside[1]", "is listed already", "outside[0]"),
        ({"ban_minutes": 0}, "ban_minutes", "0", "1"),
        ({"open": True}, "open", "", ""),
    ],
)
def test_what_is_refused(held: dict[str, Any], at: str, sentence: str, hint: str) -> None:
    with pytest.raises(DocumentError) as refused:
        parse({**make_site(1), "firewall": held})
    (problem,) = refused.value.problems
    assert problem.path == f"firewall.{at}" and sentence in problem.sentence and hint in problem.hint


def test_what_is_taken() -> None:
    held = parse({**make_site(1), "firewall": {"safe_networks": ["192.0.2.7", "2001:db8::/32"], "outside": ["ww*"]}})[0].firewall
    assert [str(each) for each in held.safe_networks] == ["192.0.2.7/32", "2001:db8::/32"] and (held.enabled, held.sip_open, held.ban_minutes) == (
        True,
        False,
        60,
    )
