"""Verbs `firewall.*`: the rules in `inet holdfast` and who is banned. They stay when netd is killed; an orderly end of netd takes them away.

The engine decides (app/firewall.py). What must never be is refused here once more: whoever speaks to this socket bans nobody on the LAN, no carrier, no phone.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from ipaddress import ip_network
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from appliance.network import firewall
from appliance.network.bans import Kept, Reason, keep
from appliance.network.netd.part import Client, Part, Tools, Verb
from appliance.network.netd.protocol import Args, NetdError


def _network(text: str) -> str:
    found = ip_network(text)
    return str(found.network_address) if found.prefixlen == found.max_prefixlen else str(found)


Net = Annotated[str, Field(max_length=50), AfterValidator(_network)]
Key = Annotated[str, Field(max_length=45), AfterValidator(firewall.key_of)]
MOST_AT_ONCE = 256
Port = Annotated[int, Field(ge=1, le=65535)]


class GuardedArgs(Args):
    interface: str = Field(pattern=r"^[A-Za-z0-9_.:@-]{1,15}$")
    near: tuple[Net, ...] = Field(max_length=64)


class ApplyArgs(Args):
    """A `firewall.Plan`."""

    guarded: tuple[GuardedArgs, ...] = Field(max_length=64)
    sip_port: Port
    sip_tls_port: Port
    rtp: tuple[Port, Port]
    safe: tuple[Net, ...] = Field(default=(), max_length=64)
    trunks: tuple[Net, ...] = Field(default=(), max_length=4096)
    phones: tuple[Net, ...] = Field(default=(), max_length=8192)
    sip_open: bool = False

    def plan(self) -> firewall.Plan:
        return firewall.Plan(
            tuple(firewall.Guarded(each.interface, each.near) for each in self.guarded),
            self.sip_port, self.sip_tls_port, self.rtp, self.safe, self.trunks, self.phones, self.sip_open,
        )  # fmt: skip


class OneBan(Args):
    key: Key
    reason: Reason
    seconds: int = Field(ge=1, le=10080 * 60)


class BanArgs(Args):
    bans: tuple[OneBan, ...] = Field(min_length=1, max_length=MOST_AT_ONCE)


class UnbanArgs(Args):
    keys: tuple[Key, ...] = Field(min_length=1, max_length=2 * firewall.MOST_BANS)


class Firewall(Part):
    name = "firewall"

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._kept: Kept | None = None
        """Who is never banned, by the plan that was applied here; None: the rules, if there are any, are of an earlier netd."""

    def verbs(self) -> dict[str, Verb]:
        return {
            "firewall.apply": Verb(ApplyArgs, self._apply), "firewall.remove": Verb(Args, self._remove), "firewall.ban": Verb(BanArgs, self._ban),
            "firewall.unban": Verb(UnbanArgs, self._unban), "firewall.read": Verb(Args, self._read, changes=False),
        }  # fmt: skip

    async def stop(self) -> None:
        """A box that is stopped leaves the machine as it was."""
        if not self._tools.unable:
            await self._tools.nft.do(firewall.removal())

    async def _apply(self, args: ApplyArgs, _: Client) -> dict[str, Any]:
        """{"digest"}: of the rules that are in force now."""
        plan = args.plan()
        made = firewall.commands(plan)
        try:
            await self._tools.nft.do(made)
        except NetdError:
            # A table of another version of this program, whose sets are others: it goes, with its bans.
            await self._tools.nft.do([*firewall.removal(), *made])
        self._kept = _kept(plan)
        return {"digest": plan.digest}

    async def _remove(self, _: Args, __: Client) -> dict[str, Any]:
        await self._tools.nft.do(firewall.removal())
        self._kept = None
        return {}

    async def _ban(self, args: BanArgs, _: Client) -> dict[str, Any]:
        if self._kept is None:
            raise NetdError("Nobody is banned before the rules are renewed", "netd was started anew; try again in some seconds", code="no-rules")
        for each in args.bans:
            if (kind := self._kept.why(each.key)) is not None:
                raise NetdError(f"{each.key} is not banned: it is {kind.value}", "nobody on the LAN, no carrier and no phone is ever banned", code="kept")
        await self._tools.nft.do([command for each in args.bans for command in firewall.ban(each.key, each.reason.value, each.seconds)])
        return {}

    async def _unban(self, args: UnbanArgs, _: Client) -> dict[str, Any]:
        await self._tools.nft.do(firewall.unban(args.keys))
        return {}

    async def _read(self, _: Args, __: Client) -> dict[str, Any]:
        """A `firewall.Loaded`. Rules of an earlier netd are like none of today's, so that the engine applies its plan here or takes them away."""
        if self._tools.unable:
            raise NetdError(f"There is no firewall: {self._tools.unable}", "run the box as root, or install its package", code="unable")
        found = firewall.read(await self._tools.nft.list("table", firewall.FAMILY, firewall.TABLE))
        if found.digest and self._kept is None:
            found = replace(found, digest=f"earlier {found.digest}")
        return asdict(found)


def _kept(plan: firewall.Plan) -> Kept:
    """What is known here of who is never banned."""
    near = (each for guarded in plan.guarded for each in guarded.near)
    return keep(lan=near, safe=plan.safe, trunks=plan.trunks, phones=plan.phones, administrators=())


def make(tools: Tools) -> Part:
    return Firewall(tools)
