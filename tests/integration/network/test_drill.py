"""The outage drill: the internet is truly cut and comes back, what is told of it is true, an emergency call ends it, and no kill leaves a cut behind."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.box import ROOT, Box, BoxError
from tests.support.carrier import Carrier, answer
from tests.support.net import SiteNet, command_in, privileged, site_net
from tests.support.proc import wait_until
from tests.support.sites import add_trunk, make_site, secret

pytestmark = [pytest.mark.skipif(bool(privileged()), reason=privileged()), pytest.mark.timeout(240)]
SILENCE_S, TRUST_S = 2, 1
HEAL_S = 30.0
"""The kernel needs 5 s at most; the rest is for a machine that does other things."""


@dataclass
class Office:
    net: SiteNet
    box: Box
    carrier: Carrier
    phone: Carrier

    def drill(self) -> dict[str, Any]:
        found: dict[str, Any] = self.box.rpc("drill")
        return found

    def ready(self) -> None:
        """The internet is up, netd there, and no drill under way."""
        wait_until(lambda: self.box.rpc("wan")["state"] == "up", HEAL_S, "the internet up")
        wait_until(self._idle, HEAL_S, "no drill, and netd there")

    def _idle(self) -> bool:
        found = self.drill()
        return self.children()["netd"]["ready"] and (found["last"] is None or found["last"]["state"] == "over")

    def children(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.box.data / "run" / "supervisor.json").read_text())["children"]
        return found

    def cut(self) -> bool:
        """Whether the carrier hears nothing of the box now (and the box can still send)."""
        return not reaches(self)


def reaches(office: Office) -> bool:
    heard = "import socket;s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);s.settimeout(0.4);s.connect(('198.51.100.10',9));s.send(b'x')\ntry: s.recv(1)"
    script = f"{heard}\nexcept ConnectionRefusedError: print('yes')\nexcept TimeoutError: print('no')"
    return office.net.box.run(sys.executable, "-c", script).strip() == "yes"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    site = make_site(phones=1)
    with ExitStack() as stack:
        net = stack.enter_context(site_net(phones=2))
        carrier = stack.enter_context(Carrier(net.carrier_ip, 5060, ns=net.carrier))
        gateway = stack.enter_context(Carrier(net.phone_ip(1), 5060, ns=net.phones[1]))
        phone = stack.enter_context(Carrier(net.phone_ip(0), 5060, ns=net.phones[0]))
        add_trunk(site, "acme", carrier.ip, carrier.port)
        add_trunk(site, "pri", gateway.ip, gateway.port)
        site["wan"] = {"silence_seconds": SILENCE_S, "trust_seconds": TRUST_S}
        folder: Path = tmp_path_factory.mktemp("drill")
        box = stack.enter_context(Box(folder, site, bind=(net.box_lan, net.box_wan), ns=net.box, supervised=True))
        own = box.uri("201")
        reply = phone.request(
            "REGISTER", own.replace("201@", ""), box.sip, to_uri=own, from_uri=own, user="201", secret=secret(201), headers=[("Expires", "3600")]
        )
        assert reply.status == 200, reply.start
        yield Office(net, box, carrier, phone)


def checks(report: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {each["key"]: (each["state"], each["sentence"]) for each in report["checks"]}


@pytest.mark.row("Z1")
def test_a_drill_from_the_command_line(office: Office) -> None:
    """It cuts, looks, gives back, prints and keeps; local things go on."""
    office.ready()
    with_drill = subprocess.Popen(
        command_in(None, [sys.executable, "-m", "appliance.cli.main", "wan", "drill", "--seconds", "10", "--yes"]),
        env={**os.environ, **office.box.env}, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    wait_until(lambda: (last := office.drill()["last"]) and last["state"] == "cut", 20.0, "the cut")
    assert office.cut()
    assert office.phone.request("OPTIONS", office.box.uri("201"), office.box.sip).status in {200, 401, 404}
    with pytest.raises(BoxError) as second:
        office.box.rpc("drill.start", seconds=10)
    assert second.value.code == "busy"
    said, _ = with_drill.communicate(timeout=90)
    assert with_drill.returncode == 0, said
    assert reaches(office)
    report = office.drill()["last"]
    found = checks(report)
    assert {key: state for key, (state, _) in found.items()} == {
        "cut": "ok", "noticed": "ok", "emergency": "ok", "phones": "ok", "inside": "ok", "names": "ok", "outbox": "ok", "back": "ok",
    }  # fmt: skip
    assert found["emergency"][1] == "A 911 goes over Pri, which answers now"
    assert "The one phone inside stayed registered" in said and "A 911 goes over Pri" in said and "trusted again" in said
    assert report["state"] == "over" and report["ended"] == "" and report["interfaces"] == ["wan"]
    assert json.loads((office.box.data / "state" / "drill.json").read_text())["id"] == report["id"]


def test_it_can_be_ended_early(office: Office) -> None:
    office.ready()
    office.box.rpc("drill.start", seconds=120, by="Dana")
    assert office.cut()
    office.box.rpc("drill.end", by="Dana")
    wait_until(lambda: reaches(office), HEAL_S, "the internet back")
    office.ready()
    assert office.drill()["last"]["ended"] == "it was ended by Dana"
    with pytest.raises(BoxError) as idle:
        office.box.rpc("drill.end")
    assert idle.value.code == "idle"


@pytest.mark.parametrize("seconds", [9, 301, "30"])
def test_nonsense_is_refused(office: Office, seconds: object) -> None:
    with pytest.raises(BoxError):
        office.box.rpc("drill.start", seconds=seconds)
    assert reaches(office)


@pytest.mark.row("Z1")
def test_killed_at_any_moment_it_heals(office: Office) -> None:
    """kill -9 of netd, the engine, or both, at a random moment from the request on."""
    chance = random.Random(20)
    for victims in (["netd"], ["engine"], ["netd"], ["netd", "engine"]):
        office.ready()
        before = (office.drill()["last"] or {"id": ""})["id"]
        office.box.rpc("drill.start", seconds=60)
        for _ in range(chance.randrange(4)):
            reaches(office)  # a random while
        children = office.children()
        for victim in victims:
            os.kill(children[victim]["pid"], signal.SIGKILL)
        wait_until(lambda: reaches(office), HEAL_S, f"the internet back after {victims} were killed")
        office.box.wait_back(HEAL_S)
        report = wait_until(lambda: (last := office.drill()["last"]) and last["state"] == "over" and last, HEAL_S * 2, "the report")
        assert report["id"] != before and ("netd" in report["ended"] or "kernel" in report["ended"]), report
        # The kernel has forgotten the cut; the empty table goes with the next netd.
        wait_until(lambda: "drill" not in office.net.box.run("nft", "list", "tables"), HEAL_S, "no table left")


def test_a_killed_command_does_not_end_the_drill_and_everything_killed_does(office: Office) -> None:
    office.ready()
    asked = subprocess.Popen(
        [sys.executable, "-m", "appliance.cli.main", "wan", "drill", "--seconds", "60", "--yes"], env={**os.environ, **office.box.env}, cwd=ROOT
    )
    wait_until(lambda: (last := office.drill()["last"]) and last["state"] == "cut", 30.0, "the cut")
    asked.kill()
    asked.wait()
    assert office.cut(), "its time is kept by the engine"
    assert office.box.program is not None
    office.box.program.kill()  # the supervisor and everything with it
    wait_until(lambda: reaches(office), HEAL_S, "the internet back without anybody")
    office.box.start(60.0)
    office.ready()
    assert "engine ended in the middle" in office.drill()["last"]["ended"]
    assert "drill" not in office.net.box.run("nft", "list", "tables")


def test_an_emergency_call_ends_it_at_once(office: Office) -> None:
    office.ready()
    office.carrier.plan = [answer()]
    office.box.rpc("drill.start", seconds=120)
    assert office.cut()
    calls = len(office.carrier.calls)
    call = office.phone.call(f"sip:911@{office.box.sip[0]}:{office.box.sip[1]}", office.box.sip, from_uri=f"sip:201@{office.box.sip[0]}")
    wait_until(lambda: reaches(office), 10.0, "the internet back")
    call.wait_answer()
    with pytest.raises(BoxError) as during:
        office.box.rpc("drill.start", seconds=10)
    assert during.value.code in {"busy", "emergency-in-progress"}
    call.hangup()
    report = wait_until(lambda: (last := office.drill()["last"])["state"] == "over" and last, HEAL_S, "the report")
    assert "emergency call began" in report["ended"]
    with pytest.raises(BoxError) as after:
        office.box.rpc("drill.start", seconds=10)
    assert after.value.code == "emergency-in-progress", "the dispatcher may call back"
    assert len(office.carrier.calls) >= calls
