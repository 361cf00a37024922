"""Verbs `routes.*`: one of the machine's own ways out is put before the others, and taken back when nobody keeps that up.

The routes of the machine stay as they are. Two halves of everything (0.0.0.0/1, 128.0.0.0/1) lie before each default route, whatever its metric; what is of
this part is known by its protocol number, so that nothing else is ever removed.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from pydantic import Field

from appliance.network.links import PREFERRED
from appliance.network.netd.part import Client, Part, Tools, Verb
from appliance.network.netd.protocol import Args, NetdError

HALVES = ("0.0.0.0/1", "128.0.0.0/1")
KEY = "preferred"
HELD_S = 30.0
"""So long it stays without being asked for again."""
_MAIN_TABLE = 254
_GONE = frozenset({3, 19})
"""ESRCH, ENODEV: it is not there any more."""


class PreferArgs(Args):
    """A way out as the machine has it: the interface and the gateway of a default route, "" where the link itself is the way."""

    interface: str = Field(pattern=r"^[A-Za-z0-9_.:-]{1,15}$")
    gateway: str = Field(default="", pattern=r"^([0-9]{1,3}(\.[0-9]{1,3}){3})?$")


class Routes(Part):
    name = "routes"

    def __init__(self, tools: Tools) -> None:
        self._undo = tools.undo
        self._one = asyncio.Lock()

    def verbs(self) -> dict[str, Verb]:
        return {
            "routes.prefer": Verb(PreferArgs, self._prefer),
            "routes.release": Verb(Args, self._release),
            "routes.state": Verb(Args, self._state, changes=False),
        }

    async def heal(self) -> None:
        if not self._undo.kept(self.name):
            await asyncio.to_thread(_remove)

    async def undo(self, what: dict[str, Any]) -> None:
        async with self._one:
            await asyncio.to_thread(_remove)

    async def _prefer(self, args: PreferArgs, _: Client) -> dict[str, Any]:
        """Put it first, or keep it there, for `HELD_S`; {"held_s"}."""
        await self._undo.keep(self.name, KEY, {"interface": args.interface, "gateway": args.gateway}, HELD_S)
        try:
            async with self._one:
                await asyncio.to_thread(_put, args.interface, args.gateway)
        except NetdError:
            await self._undo.undo(self.name, KEY)
            raise
        return {"held_s": HELD_S}

    async def _release(self, _: Args, __: Client) -> dict[str, Any]:
        """Let the machine's own metrics decide again. {"was": whether one was put first}."""
        was = bool(self._undo.kept(self.name))
        await self._undo.undo(self.name, KEY)
        return {"was": was}

    async def _state(self, _: Args, __: Client) -> dict[str, Any]:
        """{"interface", "gateway"} of the one put first, "" for none."""
        return self._undo.kept(self.name).get(KEY, {"interface": "", "gateway": ""})


def _put(interface: str, gateway: str) -> None:
    """Raises NetdError where the machine has no such way out, or the kernel refuses."""
    from pyroute2 import IPRoute  # noqa: PLC0415 - 13 MB, for a box with two ways out alone
    from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415

    with IPRoute() as kernel:
        found = kernel.link_lookup(ifname=interface)
        own = [m for m in kernel.get_routes(family=socket.AF_INET, table=_MAIN_TABLE) if found and m.get_attr("RTA_OIF") == found[0]]
        like = next((m for m in own if m["dst_len"] == 0 and (m.get_attr("RTA_GATEWAY") or "") == gateway), None)
        if like is None:
            raise NetdError(
                f"{gateway or interface} is no way out of this machine", "name the interface and gateway of one of its default routes", code="no-way-out"
            )
        source = like.get_attr("RTA_PREFSRC")
        fields = {"oif": found[0], **({"gateway": gateway} if gateway else {}), **({"prefsrc": source} if source else {})}
        held = [m for m in kernel.get_routes(family=socket.AF_INET, table=_MAIN_TABLE) if m["proto"] == PREFERRED]
        for half in HALVES:
            lower = half.startswith("0.")  # the kernel leaves 0.0.0.0 out of its answer
            before = [m for m in held if (m.get_attr("RTA_DST") in {None, "0.0.0.0"}) == lower]  # noqa: S104 - a network
            if any(m.get_attr("RTA_OIF") == found[0] and (m.get_attr("RTA_GATEWAY") or "") == gateway for m in before):
                continue
            try:
                kernel.route("replace" if before else "add", dst=half, proto=PREFERRED, **fields)
            except NetlinkError as error:
                raise NetdError(
                    f"{interface} could not be put first: {error}", "something else leads everything elsewhere, a VPN for example", code="routes"
                ) from error


def _remove() -> None:
    """Whatever carries our number. Raises NetlinkError where the kernel refuses."""
    from pyroute2 import IPRoute  # noqa: PLC0415
    from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415

    with IPRoute() as kernel:
        for half in HALVES:
            try:
                kernel.route("del", dst=half, proto=PREFERRED, table=_MAIN_TABLE)
            except NetlinkError as error:
                if error.code not in _GONE:
                    raise


def make(tools: Tools) -> Part:
    return Routes(tools)
