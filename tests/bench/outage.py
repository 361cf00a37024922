"""Set-up times with the internet gone and the name server dead, as ratios to those on a good day: calls inside, and an emergency call over the second path."""

from __future__ import annotations

import contextlib
import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.bench.common import FIRST, Options, percentile, register_one
from tests.support.box import Box
from tests.support.carrier import Carrier, answer
from tests.support.net import SiteNet, privileged, site_net
from tests.support.proc import wait_until
from tests.support.sites import add_trunk, make_site, secret

CALLS = 60
EMERGENCIES = 20
CALLER, CALLED = str(FIRST), str(FIRST + 1)


def run(options: Options) -> dict[str, Any]:
    """A call inside: from the authenticated INVITE to the ringing that comes back. A 911: from the INVITE to the answer of the carrier or, with the internet
    cut, of the gateway on the LAN. The two halves of a good day are measured before and after, so that a machine that grows slower is not taken for a fault."""
    if why := privileged():
        return {"skipped": why}
    with _site(options) as (net, box, phones):
        count, urgent = max(5, int(CALLS * options.scale)), max(3, int(EMERGENCIES * options.scale))
        _inside(box, phones, 5)  # warm
        _state(box, "up")
        before, over_first = _inside(box, phones, count // 2), _emergency(box, phones, urgent)
        net.dead_dns()
        net.cut_wan()
        _state(box, "down")
        cut, over_second = _inside(box, phones, count), _emergency(box, phones, urgent)
        net.restore_wan()
        net.box.resolv_conf("")
        _state(box, "up")
        up = before + _inside(box, phones, count // 2)
    return {
        "local_call_ms": {"up": _figures(up), "wan_cut_dns_dead": _figures(cut)},
        "local_call_ratio": statistics.median(cut) / statistics.median(up),
        "emergency_call_ms": {"first_path": _figures(over_first), "second_path_wan_cut": _figures(over_second)},
        "emergency_call_ratio": statistics.median(over_second) / statistics.median(over_first),
    }


@contextlib.contextmanager
def _site(options: Options) -> Iterator[tuple[SiteNet, Box, tuple[Carrier, Carrier]]]:
    """A carrier over the internet, one with a name that must be resolved, a gateway on the LAN, and two phones."""
    site = make_site(phones=2, first=FIRST)
    site["wan"] = {"silence_seconds": 2, "trust_seconds": 1}
    with contextlib.ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hf-bench-")))
        net = stack.enter_context(site_net(phones=3))
        carrier = stack.enter_context(Carrier(net.carrier_ip, 5060, ns=net.carrier))
        gateway = stack.enter_context(Carrier(net.phone_ip(2), 5060, ns=net.phones[2]))
        add_trunk(site, "acme", carrier.ip, carrier.port, health_seconds=5)
        add_trunk(site, "pri", gateway.ip, gateway.port, health_seconds=5)
        add_trunk(site, "named", "sip.carrier.example", 5060)
        box = stack.enter_context(Box(folder, site, bind=(net.box_lan, net.box_wan), ns=net.box, env={"HOLDFAST_LOG": "warning"}))
        near, far = (stack.enter_context(Carrier(net.phone_ip(index), 5060, ns=net.phones[index])) for index in range(2))
        far.plan = [answer()]
        register_one(box, far, CALLED)
        yield net, box, (near, far)


def _state(box: Box, wanted: str) -> None:
    """ "poor" is up enough: a carrier of whom only the name is known never answers."""
    well = {"up", "poor"} if wanted == "up" else {wanted}
    wait_until(lambda: box.rpc("wan")["state"] in well, 60.0, f"the internet {wanted}")


def _inside(box: Box, phones: tuple[Carrier, Carrier], count: int) -> list[float]:
    return _measured(box, phones[0], box.uri(CALLED), count, lambda call: 1000 * (call.reply_at(180) - call.sent_at))


def _emergency(box: Box, phones: tuple[Carrier, Carrier], count: int) -> list[float]:
    return _measured(box, phones[0], box.uri("911"), count, lambda call: 1000 * (call.reply_at(200) - call.sent_at))


def _measured(box: Box, phone: Carrier, uri: str, count: int, took: Callable[[Any], float]) -> list[float]:
    found = []
    for _ in range(count):
        call = phone.call(uri, box.sip, from_uri=box.uri(CALLER), user=CALLER, secret=secret(CALLER))
        call.wait_answer()
        found.append(took(call))
        call.hangup()
        call.close()
        box.wait_idle()
    return found


def _figures(times: list[float]) -> dict[str, float]:
    return {"p50": percentile(times, 0.5), "p90": percentile(times, 0.9), "max": max(times), "calls": len(times)}
