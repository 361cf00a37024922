"""Which phone is where, by the candidate and by what the engine heard of the phones last: its own place, then its network, then the default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from webui.engine import State
from webui.place import place


@dataclass(frozen=True, slots=True)
class Where:
    """The place of a phone. `how`: "set", "network", "default" or "none"."""

    location: str
    how: str


def everywhere(state: State) -> dict[str, Where]:
    """The place of every phone of the site."""
    locations = place().kind("locations")
    settings = place().document().get("emergency")
    default = str(settings.get("default_location") or "") if isinstance(settings, Mapping) else ""
    networks = _networks(locations)
    sources = {entry["device"]: _address(entry["received"]) for entry in state.registrations.get("registrations", ())}
    return {key: _where(device, sources.get(key, ""), locations, networks, default) for key, device in place().kind("devices").items()}


def _where(device: Mapping[str, Any], source: str, locations: Mapping[str, Any], networks: list[tuple[Any, str]], default: str) -> Where:
    if (own := device.get("location")) in locations:
        return Where(str(own), "set")
    try:
        here = ip_address(source)
    except ValueError:
        here = None
    if here is not None:
        here = getattr(here, "ipv4_mapped", None) or here
        for network, key in networks:
            if here.version == network.version and here in network:
                return Where(key, "network")
    return Where(default, "default") if default in locations else Where("", "none")


def _networks(locations: Mapping[str, Any]) -> list[tuple[Any, str]]:
    """Networks and the locations they belong to, the smallest first."""
    found = []
    for key, held in locations.items():
        written = held.get("networks")
        for text in written if isinstance(written, list | tuple) else ():
            try:
                found.append((ip_network(str(text)), key))
            except ValueError:
                continue  # being edited; the form says what is wrong
    return sorted(found, key=lambda entry: -entry[0].prefixlen)


def _address(received: str) -> str:
    """`udp:192.168.1.20:5060` -> `192.168.1.20`."""
    host = received.partition(":")[2].rpartition(":")[0]
    return host.strip("[]").partition("%")[0]


def address(held: Mapping[str, Any]) -> str:
    """The civic address of a location in one line, as the engine says it to a dispatcher."""
    raw = held.get("civic")
    civic = {name: str(value) for name, value in raw.items() if value} if isinstance(raw, Mapping) else {}

    def words(*names: str) -> str:
        return " ".join(civic[name] for name in names if name in civic)

    house = civic.get("HNO", "") + civic.get("HNS", "")
    labelled = [f"{label} {civic[name]}" for name, label in (("BLD", "Building"), ("UNIT", "Unit"), ("FLR", "Floor"), ("ROOM", "Room")) if name in civic]
    near = f"near {civic['LMK']}" if "LMK" in civic else ""
    street = " ".join(part for part in (house, words("PRD", "RD", "STS", "POD")) if part)
    parts = (street, words("NAM"), *labelled, words("LOC"), near, words("A4"), words("A3"), words("A1", "PC"), words("country"))
    return ", ".join(dict.fromkeys(part for part in parts if part))


def phone_name(key: str, device: Mapping[str, Any]) -> str:
    """A phone as people know it: extension and name of it or its owner."""
    owner = place().kind("users").get(str(device.get("owner")), {})
    words = (device.get("extension") or owner.get("extension"), device.get("name") or owner.get("name") or key)
    return " ".join(str(word) for word in words if word)
