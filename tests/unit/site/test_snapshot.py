"""The compiled site: every look-up a call or a registration makes."""

from __future__ import annotations

import pytest

from appliance.site.countries import COUNTRIES
from appliance.site.model.lines import Destination, Number, OutboundRoute, Trunk
from appliance.site.model.people import Device, User
from appliance.site.model.places import Civic, Emergency, Location
from appliance.site.model.site import Site
from appliance.site.snapshot import compile as compile_site


def site(**changes: object) -> Site:
    base = Site(
        domain="example.org",
        users={"dana": User(name="Dana Reyes", extension="1001"), "lee": User(name="Lee", extension="1002", enabled=False)},
        devices={
            "dana-desk": Device(owner="dana", sip_user="dana-desk", extension="2001", location="hall"),
            "dana-soft": Device(owner="dana", sip_user="dana-soft", extension="1001"),
            "dana-old": Device(owner="dana", sip_user="dana-old", enabled=False),
            "lee-desk": Device(owner="lee", sip_user="lee-desk"),
            "door": Device(name="Front door", sip_user="door", extension="1900", max_contacts=1),
        },
        trunks={
            "b": Trunk(name="B", host="b.example.net"),
            "off": Trunk(name="Off", host="c.example.net", enabled=False),
            "a": Trunk(name="A", host="a.example.net"),
        },
        numbers={"main": Number(number="+12125550100", destination="1001", name="Main", trunk="a")},
        locations={"hall": Location(name="Hall", civic=Civic(country="US", LOC="Hall"))},
        emergency=Emergency(default_location="hall", extra_numbers=("5555",), test_numbers=("922",)),
    )
    return base.model_copy(update=changes)


@pytest.mark.row("T1")
def test_an_extension_rings_all_active_devices_of_its_user_whatever_their_own() -> None:
    snapshot = compile_site(site(), 7, {})
    dana = snapshot.extensions["1001"]
    assert (dana.user, dana.devices, dana.name, dana.ring_seconds) == ("dana", ("dana-desk", "dana-soft"), "Dana Reyes", 30)
    assert snapshot.extensions["2001"].devices == ("dana-desk",)
    assert (snapshot.devices["dana-desk"].extension, snapshot.devices["dana-desk"].display_name) == ("1001", "Dana Reyes")
    assert (snapshot.revision, snapshot.realm, snapshot.country.code) == (7, "example.org", "US")


def test_secrets_come_from_the_vault_and_are_in_no_repr() -> None:
    made = site()
    secrets = {
        "devices.door.secret": "Zq7-door",
        "devices.dana-desk.secret": "",
        "trunks.a.secret": "Zq7-a",
        "trunks.off.secret": "Zq7-off",
        "trunks.b.secret": "",
    }
    snapshot = compile_site(made, 1, secrets)
    assert snapshot.devices["door"].secret == "Zq7-door"
    assert snapshot.devices["dana-desk"].secret is None, "an empty one is none"
    assert snapshot.devices["dana-soft"].secret is None
    assert snapshot.trunk_secrets == {"a": "Zq7-a", "off": "Zq7-off"}, "an emergency call tries a disabled trunk, too"
    assert "Zq7" not in repr(snapshot)


def test_a_switched_off_user_keeps_the_extension_and_rings_nothing() -> None:
    snapshot = compile_site(site(), 1, {})
    assert snapshot.extensions["1002"].devices == ()
    assert snapshot.by_sip_user["lee-desk"].enabled is False


@pytest.mark.row("K2")
def test_a_device_without_owner_has_its_own_extension() -> None:
    snapshot = compile_site(site(), 1, {})
    door = snapshot.by_sip_user["door"]
    assert (door.owner, door.extension, door.display_name, door.max_contacts, door.location) == (None, "1900", "Front door", 1, None)
    assert (snapshot.extensions["1900"].devices, snapshot.extensions["1900"].ring_seconds) == (("door",), 60)


def test_trunks_are_the_enabled_ones_in_the_order_written() -> None:
    snapshot = compile_site(site(), 1, {})
    assert (list(snapshot.trunks), snapshot.outbound_trunks) == (["b", "a"], ("b", "a"))
    assert compile_site(site(outbound=OutboundRoute(trunks=("a", "off"))), 1, {}).outbound_trunks == ("a",)
    assert (snapshot.numbers["+12125550100"].destination, snapshot.numbers["+12125550100"].trunk) == (Destination(kind="extension", target="1001"), "a")


@pytest.mark.row("L5")
def test_emergency_numbers_are_the_countrys_minimum_and_the_sites() -> None:
    snapshot = compile_site(site(), 1, {})
    assert snapshot.emergency_numbers == {"911", "112", "5555"}
    assert snapshot.test_numbers == {"933", "922"}
    for code, country in COUNTRIES.items():
        assert compile_site(Site(country=code), 1, {}).emergency_numbers >= {"112", *country.emergency}


def test_an_emergency_number_is_never_a_test_number() -> None:
    snapshot = compile_site(site(emergency=Emergency(test_numbers=("911", "112"), extra_numbers=("933",))), 1, {})
    assert snapshot.emergency_numbers == {"911", "112", "933"}
    assert snapshot.test_numbers == frozenset()
