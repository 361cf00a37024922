"""Where a phone is: pin, then the longest subnet, then the default; what disagrees is said."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.emergency.location import LocationTable, describe, resolve
from appliance.site.model.places import Location
from appliance.site.model.site import Site
from appliance.types import LocationId

CIVIC = {"country": "US", "A1": "NY", "A3": "Albany", "RD": "State", "STS": "Street", "HNO": "12", "PC": "12207"}


def site(default: str | None = "main", **networks: list[str]) -> Site:
    data: dict[str, Any] = {
        "locations": {key: {"name": key.capitalize(), "civic": CIVIC, "networks": value} for key, value in networks.items()},
        "emergency": {"default_location": default} if default else {},
    }
    return Site.model_validate(data)


TABLE = LocationTable(site(main=[], campus=["10.0.0.0/8", "2001:db8::/32"], lab=["10.1.0.0/16"], desk=["10.1.2.3/32", "2001:db8:1::/48"]))


@pytest.mark.row("L3")
@pytest.mark.parametrize(
    ("source", "place", "method"),
    [
        ("10.9.9.9", "campus", "subnet"),
        ("10.1.9.9", "lab", "subnet"),
        ("10.1.2.3", "desk", "subnet"),
        ("10.1.2.4", "lab", "subnet"),
        ("2001:db8:1::5", "desk", "subnet"),
        ("2001:db8:2::5", "campus", "subnet"),
        ("::ffff:10.1.2.3", "desk", "subnet"),
        ("fe80::1%eth0", "main", "default"),
        ("192.0.2.1", "main", "default"),
        ("not an address", "main", "default"),
        ("", "main", "default"),
    ],
)
def test_the_longest_network_wins_then_the_default(source, place, method):
    found = TABLE.resolve(None, source)
    assert (found.location_id, found.method) == (place, method)
    assert found.location is not None and found.location.name == place.capitalize()
    assert bool(found.note) == (method == "default")


def test_a_pin_beats_the_network_and_their_disagreement_is_said():
    agreed = TABLE.resolve(LocationId("lab"), "10.1.9.9")
    assert (agreed.location_id, agreed.method, agreed.note) == ("lab", "pin", "")
    moved = TABLE.resolve(LocationId("lab"), "10.9.9.9")
    assert (moved.location_id, moved.method) == ("lab", "pin")
    assert "Lab" in moved.note and "Campus" in moved.note and "10.9.9.9" in moved.note
    assert resolve(LocationId("lab"), "203.0.113.9", TABLE).note == ""


def test_a_pin_to_nowhere_falls_through_and_is_said():
    found = TABLE.resolve(LocationId("gone"), "10.1.2.3")
    assert (found.location_id, found.method) == ("desk", "subnet")
    assert "gone" in found.note


def test_nothing_known_is_no_place_and_no_error():
    found = LocationTable(site(None, campus=["10.0.0.0/8"])).resolve(None, "192.0.2.1")
    assert (found.location_id, found.location, found.method) == (None, None, "none")
    assert found.note
    assert LocationTable(Site()).resolve(LocationId("x"), "192.0.2.1").method == "none"


def test_the_first_of_two_places_keeps_a_network_both_claim():
    assert LocationTable(site(None, b=["10.0.0.0/8"], a=["10.0.0.0/8"])).resolve(None, "10.0.0.1").location_id == "b"


@given(st.ip_addresses(), st.sets(st.tuples(st.ip_addresses(), st.integers(0, 128)), max_size=6))
def test_the_table_agrees_with_a_plain_search(source, wanted):
    from ipaddress import ip_network

    networks = [ip_network((address, min(length, address.max_prefixlen)), strict=False) for address, length in wanted]
    table = LocationTable(site(None, **{f"p{number}": [str(network)] for number, network in enumerate(networks)}))
    holding = [network for network in networks if source in network]
    found = table.subnet(str(source))
    if getattr(source, "ipv4_mapped", None) is not None:
        return
    assert (found is None) == (not holding)
    if holding:
        assert networks[int(str(found)[1:])].prefixlen == max(network.prefixlen for network in holding)


def test_a_person_reads_one_line():
    place = Location.model_validate({"name": "Warehouse", "civic": CIVIC | {"BLD": "B", "FLR": "2", "ROOM": "214", "HNS": "a"}})
    assert describe(place) == "Warehouse, 12a State Street, Building B, Floor 2, Room 214, Albany, NY 12207, US"
    assert describe(None) == ""
