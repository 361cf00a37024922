"""The network as an installer should see it: the worker's look at the machine, put beside what the box serves and which phones it knows."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from appliance.control import shapes
from appliance.network.addresses import literal
from appliance.site.working import run_job_async

if TYPE_CHECKING:
    from appliance.app.wiring import Box

LOOK_S = 15.0
_NO_HELP = frozenset({"", "SERVFAIL", "REFUSED"})


async def network_look(box: Box) -> shapes.NetworkResult:
    """Reads only; the work is done in a process of its own. Raises StateError, WorkerError."""
    hosts = [trunk.host for trunk in box.snapshot.site.trunks.values() if literal(trunk.host) is None]
    seen: dict[str, Any] = await run_job_async("network", {"hosts": hosts}, LOOK_S)
    at: dict[str, set[str]] = defaultdict(set)
    for binding in box.registrations.all():
        at[binding.received.ip].add(binding.device)
    for key, device in box.snapshot.site.devices.items():
        if device.mac:
            at[device.mac.lower()].add(key)
    served = {address.ip for address in box.endpoint.listening}
    phones = for_phones([(row["interface"], row["address"]) for row in seen["own"]], served, seen["gateway_interface"])
    return {
        "addresses": [
            {
                "interface": row["interface"], "address": row["address"], "prefix": row["prefix"], "served": row["address"] in served,
                "phones": row["address"] == phones,
            }
            for row in seen["own"]
        ],
        "gateway": seen["gateway"], "gateway_interface": seen["gateway_interface"], "gateway_seen": seen["gateway_seen"],
        "name_servers": seen["name_servers"], "names": any(server["answer"] not in _NO_HELP for server in seen["name_servers"]),
        "clock_kept": seen["clock_kept"],
        "seen": [
            {
                "address": row["address"], "mac": row["mac"], "interface": row["interface"], "maker": row["maker"],
                "devices": sorted(at.get(row["address"], set()) | at.get(row["mac"].lower(), set())),
            }
            for row in seen["neighbours"]
        ],
    }  # fmt: skip


def for_phones(own: list[tuple[str, str]], served: set[str], outward: str) -> str:
    """The address to type into phones: of those served the one on the interface that leads out, else any on a wire, else what there is."""
    ranked = sorted((address for address in own if address[1] in served), key=lambda each: (each[0] != outward, each[1].startswith("127.")))
    return ranked[0][1] if ranked else ""
