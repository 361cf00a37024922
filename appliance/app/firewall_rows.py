"""What the firewall leaves open, for people: a row for each, with its reason."""

from __future__ import annotations

from appliance.control import firewall_shapes as shapes
from appliance.network.firewall import Plan, distinct, network_of_key


def opened(plan: Plan) -> list[shapes.OpenShape]:
    """Who is let in first, what is for everybody last."""
    sip = f"{plan.sip_port}, {plan.sip_tls_port}"
    rows: list[shapes.OpenShape] = [
        {"what": "trunks", "ports": sip, "sources": list(plan.trunks), "why": "Your carriers bring calls"},
        {"what": "phones", "ports": sip, "sources": list(plan.phones), "why": "Phones outside that are registered"},
        {"what": "safe", "ports": "", "sources": list(plan.safe), "why": "The safe list"},
        {"what": "lan", "ports": "", "sources": sorted({net for each in plan.guarded for net in each.near}), "why": "The LAN is on the same interface"},
    ]
    found = [row for row in rows if row["sources"]]
    if plan.sip_open:
        found.append({"what": "everybody", "ports": sip, "sources": [], "why": "Phones anywhere outside may register, by your settings"})
    sound = "Sound of calls: carriers send it from other addresses than signalling, and nobody listens on a port that no call uses"
    found.append({"what": "sound", "ports": f"{plan.rtp[0]}-{plan.rtp[1]}/udp", "sources": [], "why": sound})
    found.append({"what": "upkeep", "ports": "", "sources": [], "why": "Answers to what the box itself asked, ping, DHCP and what IPv6 needs"})
    return found


def text_of(key: str) -> str:
    """A ban's key as people read it: 192.0.2.7, 2001:db8:1:2::/64."""
    return distinct([str(network_of_key(key))])[0]
