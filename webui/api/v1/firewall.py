"""The firewall over the API. What it leaves open is the group of settings `firewall`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from appliance.control.client import BanShape, BansResult, FirewallResult
from webui.api.v1.operation import Ask, Reply, Slashed, operation
from webui.api.v1.state import BOX, ask_engine


class BanBody(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    address: str = Field(min_length=1, max_length=60, description="An IP address. Of IPv6 its network of /64 is banned.")
    minutes: int = Field(default=0, ge=0, le=10080, description="How long; 0: as the settings say.")


@operation("GET", "/firewall/status", id="firewall.status", tag=BOX, scope="read", answers={200: FirewallResult})
def status(ask: Ask) -> Reply:
    """How the firewall is. What is open to the outside, to whom and why, and how much was turned away."""
    return Reply(ask_engine("firewall"))


@operation("GET", "/firewall/bans", id="firewall.bans", tag=BOX, scope="read", answers={200: BansResult})
def bans(ask: Ask) -> Reply:
    """Who is banned, why and until when."""
    return Reply(ask_engine("firewall.bans"))


@operation("POST", "/firewall/bans", id="firewall.ban", tag=BOX, scope="write", body=BanBody, answers={201: BanShape}, refusals=(409,))
def ban(ask: Ask) -> Reply:
    """Shut an address out for a while. The LAN, carriers, phones, signed-in administrators and the safe list are never banned."""
    said = ask_engine("firewall.ban", address=ask.body.address, minutes=ask.body.minutes, by=ask.who.name[:80])
    return Reply(said, 201, location="/firewall/bans")


@operation(
    "DELETE", "/firewall/bans/{address}", id="firewall.unban", tag=BOX, scope="write", places={"address": Slashed}, answers={204: None}, refusals=(404, 409),
)  # fmt: skip
def unban(ask: Ask, address: str) -> Reply:
    """Let an address in again. As the list has it, or any address of an IPv6 network that is banned."""
    ask_engine("firewall.unban", address=address[:60], by=ask.who.name[:80])
    return Reply(status=204)
