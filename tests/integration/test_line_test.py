"""A test call over a trunk: it is answered and heard, or it says by name why not and what to do; and the look at the network."""

from __future__ import annotations

import json
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.box import Box, BoxError
from tests.support.carrier import Carrier, answer, refuse, silent
from tests.support.proc import wait_until
from tests.support.sites import add_trunk, make_site

Maker = Callable[..., Any]
MOBILE = "+12025550177"


def _over(box: Box) -> dict[str, Any]:
    """The test call as it ended."""

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] | None = box.status()["line_test"]
        return found if found is not None and found["state"] in {"ended", "failed"} else None

    return wait_until(look, 40.0, "the end of the test call")


def test_a_test_call_over_a_trunk(box: Maker, carrier: Maker, tmp_path: Path) -> None:
    good: Carrier = carrier("127.0.0.2", accounts={"box-user": "box-secret"})
    site = add_trunk(make_site(1), "good", good.ip, good.port, username="box-user", secret="box-secret")
    add_trunk(site, "wrong", good.ip, good.port, username="box-user", secret="another-word")
    add_trunk(site, "off", good.ip, good.port, enabled=False)
    home: Box = box(site)
    for trunk, to, code in (
        ("good", "911", "emergency-number"), ("good", "933", "emergency-number"), ("good", "9 911", "emergency-number"), ("good", "12", "number"),
        ("good", "+441632960001", "number"), ("nobody", MOBILE, "not-found"), ("off", MOBILE, "unreachable"),
    ):  # fmt: skip
        with pytest.raises(BoxError) as refused:
            home.rpc("trunks.test", trunk=trunk, to=to)
        assert refused.value.code == code, to
        assert refused.value.data["hint"]
    assert home.status()["line_test"] is None
    assert not good.calls

    good.plan = [answer()]
    begun = home.rpc("trunks.test", trunk="good", to="(202) 555-0177")
    assert begun["to"] == MOBILE
    with pytest.raises(BoxError) as refused:
        home.rpc("trunks.test", trunk="good", to=MOBILE)
    assert refused.value.code == "busy"
    call = good.wait_call()
    assert call.invite.uri.startswith(f"sip:{MOBILE}@")
    wait_until(lambda: home.status()["line_test"]["state"] == "answered", 10.0, "answered in status")
    wait_until(lambda: call.rtp.heard() > 100, 15.0, "two seconds of the sentence")
    with wave.open(str(call.rtp.wav(tmp_path / "heard.wav"))) as heard:
        loud = np.abs(np.frombuffer(heard.readframes(heard.getnframes()), "<i2").astype(int))
    assert loud.max() > 1000, "nobody spoke"
    call.hangup()
    done = _over(home)
    assert (done["state"], done["heard"], done["cause"], done["code"]) == ("ended", True, "", 200)
    [record] = wait_until(lambda: home.rpc("calls.history", limit=5)["calls"], 5.0, "the test call in the history")
    assert (record["trunk"], record["outcome"], record["to_number"], record["path"]) == ("good", "answered", MOBILE, ["Test call of the line"])

    for script, words in (
        (refuse(403), "does not allow this call"), (refuse(486), "The line works"), (refuse(503), "fault of its own"), (silent, "does not answer at port"),
    ):  # fmt: skip
        good.plan = [script]
        home.rpc("trunks.test", trunk="good", to=MOBILE)
        failed = _over(home)
        assert failed["state"] == "failed"
        assert words in failed["cause"]
        assert failed["cure"]

    home.rpc("trunks.test", trunk="wrong", to=MOBILE)
    failed = _over(home)
    assert "refuses the user name or the password" in failed["cause"]


def test_the_network_is_looked_at(box: Maker) -> None:
    home: Box = box(make_site(1))
    found = home.rpc("network")
    [loopback] = [own for own in found["addresses"] if own["address"] == "127.0.0.1"]
    assert (loopback["interface"], loopback["prefix"], loopback["served"], loopback["phones"]) == ("lo", 8, True, True)
    assert json.loads(home.cli("network", "--json"))["addresses"] == found["addresses"]
    assert "for phones" in home.cli("network")
