"""What a running box says of a trunk it knows nothing of yet, and of the INVITE an emergency call over it would be."""

from __future__ import annotations

import re

import pytest

from tests.integration.conftest import BoxMaker
from tests.support.ports import free_run
from tests.support.sites import add_trunk, make_site


@pytest.mark.parametrize(("health_seconds", "reason"), [(0, "its health is not asked (health_seconds = 0)"), (60, "not asked yet")])
def test_a_trunk_nothing_is_known_of_is_not_up(box: BoxMaker, health_seconds: int, reason: str) -> None:
    silent = free_run(1, "127.0.0.1")
    home = box(add_trunk(make_site(1), "acme", "127.0.0.1", silent, health_seconds=health_seconds))
    (row,) = home.status()["trunks"]
    # Its first probe is given up after seconds: nothing is known so far.
    assert (row["state"], row["reason"]) == ("unknown", reason)
    assert reason in home.cli("status")


@pytest.mark.row("L6")
def test_the_emergency_proof_shows_where_the_audio_offer_goes(box: BoxMaker) -> None:
    home = box(add_trunk(make_site(1), "acme", "127.0.0.1", free_run(1, "127.0.0.1"), health_seconds=0))
    proof = home.rpc("emergency.test", extension="201", call=False)
    head, offer, *parts = re.split(r"\n\n(?=Content-Type: )", proof["invite"])
    assert head.startswith("INVITE sip:911@127.0.0.1")
    assert head.endswith("Content-Type: multipart/mixed")
    assert offer == "Content-Type: application/sdp … (the phone's audio offer)"
    assert parts[0].startswith("Content-Type: application/pidf+xml")
    assert [path["state"] for path in proof["paths"]] == ["unknown"]
    assert not any("up now" in problem["sentence"] for problem in proof["problems"])
