"""Cross references of a site: each kind of mistake between its parts, its path and its cure."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from appliance.errors import DocumentError, Problem
from appliance.site.document import parse
from appliance.site.model.site import Site
from appliance.site.validation import check


def base() -> dict[str, Any]:
    """A small site without a mistake."""
    return {
        "main_number": "+12125550100",
        "users": {"dana": {"name": "Dana", "extension": "205"}, "lee": {"name": "Lee", "extension": "207"}},
        "devices": {
            "dana-desk": {"owner": "dana", "sip_user": "dana-desk", "secret": "kh4-vw9-qqx-3zt", "location": "hall"},
            "door": {"sip_user": "door", "secret": "zz8-vw9-qqx-3zt", "extension": "300", "mac": "00:1a:2b:3c:4d:5e"},
        },
        "trunks": {"carrier": {"name": "Carrier", "host": "2001:db8::1", "username": "acct", "secret": "a-good-long-one"}},
        "numbers": {"main": {"number": "+12125550100", "destination": "205", "trunk": "carrier"}},
        "outbound": {"trunks": ["carrier"], "allowed_countries": ["+44", "*"], "blocked_prefixes": ["+1900"]},
        "locations": {
            "hall": {"name": "Hall", "civic": {"country": "US"}, "elins": ["+12125550111"], "networks": ["10.0.0.0/16"]},
            "attic": {"name": "Attic", "civic": {"country": "US"}, "elins": ["+12125550112"], "networks": ["10.0.1.0/24"]},
        },
        "emergency": {"default_location": "hall", "security_extensions": ["205"]},
    }


def changed(path: str, value: object) -> dict[str, Any]:
    raw = copy.deepcopy(base())
    here: Any = raw
    *way, last = path.split("/")
    for part in way:
        here = here.setdefault(part, {})
    if value is None:
        del here[last]
    else:
        here[last] = value
    return raw


def validate(raw: object) -> tuple[Site | None, tuple[Problem, ...]]:
    """The site in a raw document with its secrets, or every problem in it."""
    try:
        return parse(raw)[0], ()
    except DocumentError as error:
        return None, error.problems


def test_the_base_has_no_mistake() -> None:
    site, problems = validate(base())
    assert problems == ()
    assert site is not None
    assert check(site) == ()


@pytest.mark.parametrize(
    ("path", "value", "at", "sentence", "hint"),
    [
        ("users/lee/extension", "205", "users.lee.extension", "205 is taken by users.dana", "free nearby: 206, 207"),
        ("devices/door/extension", "205", "devices.door.extension", "205 is taken by users.dana", "free nearby: 206, 208"),
        ("devices/dana-desk/extension", "207", "devices.dana-desk.extension", "207 is taken by users.lee", "free nearby: 208, 209"),
        ("users/lee/extension", "911", "users.lee.extension", "911 is an emergency number", "free nearby: 9"),
        ("users/lee/extension", "9911", "users.lee.extension", "9911 is the emergency number 911 after the outside prefix", "free nearby: 99"),
        ("users/lee/extension", "112", "users.lee.extension", "112 is an emergency number", "free nearby: 113"),
        ("users/lee/extension", "933", "users.lee.extension", "933 is an emergency test number", "free nearby: 934"),
        ("users/lee/extension", "1125", "users.lee.extension", "1125 begins with 112", "free nearby: 1130"),
        ("users/lee/extension", "91", "users.lee.extension", "91 is how 911", "free nearby: 92, 93"),
        ("devices/door/sip_user", "DANA-desk", "devices.door.sip_user", '"DANA-desk" is the SIP user name of another device', "devices.dana-desk.sip_user"),
        ("devices/dana-desk/owner", "dna", "devices.dana-desk.owner", 'there is no user "dna"', 'did you mean "dana"?'),
        ("devices/dana-desk/location", "hal", "devices.dana-desk.location", 'there is no location "hal"', 'did you mean "hall"?'),
        ("devices/door/extension", None, "devices.door.extension", "is missing: a device without owner", "owner"),
        ("devices/door/secret", "Doordoor", "devices.door.secret", "repeats the device's name", "random"),
        ("devices/dana-desk/secret", "dana-desk", "devices.dana-desk.secret", "repeats the device's name", "random"),
        ("devices/door/secret", "12345678", "devices.door.secret", "is among the first an attacker tries", "random"),
        ("devices/door/secret", "aaaaaaaaaa", "devices.door.secret", "is among the first an attacker tries", "random"),
        ("devices/door/mac", "00:1a:2b", "devices.door.mac", '"00:1a:2b" is not a MAC address', "12 hexadecimal digits"),
        ("devices/dana-desk/mac", "001A.2B3C.4D5E", "devices.door.mac", '"00:1a:2b:3c:4d:5e" is the MAC address of another device', "devices.dana-desk.mac"),
        ("devices/door/max_contacts", 0, "devices.door.max_contacts", "0 is out of range", "1 to 20"),
        ("users/lee/ring_seconds", 0, "users.lee.ring_seconds", "0 is out of range", "1 to 600"),
        ("users/lee/email", "lee at home", "users.lee.email", '"lee at home" is not an e-mail address', "@"),
        ("numbers/second", {"number": "+12125550100", "destination": "207"}, "numbers.second.number", "+12125550100 is listed already", "numbers.main"),
        ("numbers/main/destination", "208", "numbers.main.destination", 'there is no extension "208"', "did you mean"),
        ("numbers/main/trunk", "carier", "numbers.main.trunk", 'there is no trunk "carier"', 'did you mean "carrier"?'),
        ("outbound/trunks", ["carrier", "other"], "outbound.trunks[1]", 'there is no trunk "other"', "there is carrier"),
        ("outbound/allowed_countries", ["GB"], "outbound.allowed_countries[0]", '"GB" is not a country code', 'United Kingdom is "+44"'),
        ("outbound/allowed_countries", ["0044"], "outbound.allowed_countries[0]", '"0044" is not a country code', 'write "+44"'),
        ("outbound/blocked_prefixes", ["900"], "outbound.blocked_prefixes[0]", '"900" is not the beginning of a full number', "+1900"),
        ("outbound/outside_prefix", "911", "outbound.outside_prefix", "911 is an emergency number", "another"),
        ("outbound/outside_prefix", "30", "devices.door.extension", None, ""),
        ("emergency/default_location", None, "emergency.default_location", "is missing although there are locations", '"hall"'),
        ("emergency/default_location", "hell", "emergency.default_location", 'there is no location "hell"', 'did you mean "hall"?'),
        ("emergency/security_extensions", ["300", "209"], "emergency.security_extensions[1]", 'there is no extension "209"', "did you mean"),
        ("emergency/extra_numbers", ["300"], "devices.door.extension", "300 is an emergency number", "free nearby: 301"),
        ("emergency/extra_numbers", ["7"], "emergency.extra_numbers[0]", '"7" alone', "2 digits"),
        ("emergency/test_numbers", ["207"], "users.lee.extension", "207 is an emergency test number", "free nearby: 208, 209"),
        ("locations/attic/elins", ["+12125550111"], "locations.attic.elins[0]", "+12125550111 is a callback number already", "locations.hall.elins[0]"),
        ("locations/attic/networks", ["10.0.0.0/16"], "locations.attic.networks[0]", "10.0.0.0/16 is listed already", "locations.hall.networks[0]"),
        ("time_zone", "Mars/Olympus", "time_zone", '"Mars/Olympus" is not a time zone', "for example"),
        ("time_zone", "Europe", "time_zone", '"Europe" is not a time zone', ""),
        ("country", "XX", "country", 'the dialling and emergency numbers of "XX" are not known', "there is"),
        ("interfaces", [{"address": "pbx.local"}], "interfaces[0].address", '"pbx.local" is not an IP address', "not a name"),
        ("interfaces", [{"address": "0.0.0.0"}], "interfaces[0].address", '"0.0.0.0" is not the address of one machine', "one address"),
        ("interfaces", [{"address": "10.0.0.1", "advertised": "x"}], "interfaces[0].advertised", '"x" is not an IP address', ""),
        ("interfaces", [{"address": "10.0.0.1"}, {"address": "10.0.0.1"}], "interfaces[1].address", "is listed already", "interfaces[0].address"),
        ("trunks/carrier/secret", None, "trunks.carrier.secret", "is missing: a trunk that registers", "username"),
        ("trunks/carrier/username", None, "trunks.carrier.username", "is missing: the secret belongs", "user name"),
        ("trunks/carrier/bind", "eth0", "trunks.carrier.bind", '"eth0" is not an IP address', ""),
        ("trunks/carrier/advertised", "my.name", "trunks.carrier.advertised", '"my.name" is not an IP address', ""),
        ("trunks/carrier/host", "sip.example.net:5061", "trunks.carrier.host", '"sip.example.net:5061" is not a host name or address', "the port"),
        ("domain", "sip:x", "domain", '"sip:x" is not a host name or address', "sip:"),
        ("sip/default_expires_seconds", 7200, "sip.default_expires_seconds", "7200 is not between", "min_expires_seconds"),
        ("sip/min_expires_seconds", 3601, "sip.min_expires_seconds", "3601 is too large", "3600"),
        ("sip/rtp_first_port", 60000, "sip.rtp_ports", "8000 ports from 60000 on go beyond port 65535", "5536"),
    ],
)
def test_a_mistake_between_parts_is_found_at_its_place(path: str, value: object, at: str, sentence: str | None, hint: str) -> None:
    site, problems = validate(changed(path, value))
    if sentence is None:
        assert problems == ()
        return
    assert site is None
    assert [problem.path for problem in problems] == [at]
    assert problems[0].sentence.startswith(sentence)
    assert hint in problems[0].hint


def test_a_trunks_secret_may_be_in_the_vault_already() -> None:
    site, _ = parse(base())
    assert check(site, {"trunks.carrier.secret"}) == ()
    assert check(site) == (), "what the vault has is not known here"
    (problem,) = check(site, set())
    assert problem.path == "trunks.carrier.secret"


def test_a_callback_number_is_needed_as_soon_as_a_trunk_carries_emergency_calls() -> None:
    raw = changed("main_number", None)
    assert validate(raw)[1] == ()  # the default location has its own callback number
    raw["locations"]["hall"]["elins"] = []
    assert [problem.path for problem in validate(raw)[1]] == ["main_number"]
    raw["trunks"]["carrier"]["enabled"] = False
    assert validate(raw)[1] == ()


def test_a_device_may_carry_its_owners_extension() -> None:
    assert validate(changed("devices/dana-desk/extension", "205"))[1] == ()


def test_extensions_keep_clear_of_the_countrys_own_emergency_numbers() -> None:
    raw = changed("users/lee/extension", "1501")
    assert validate(raw)[1] == ()
    raw["country"] = "FR"
    (problem,) = validate(raw)[1]
    assert (problem.path, problem.sentence) == ("users.lee.extension", "1501 begins with 15, which calls emergency services")
    assert problem.hint == "free nearby: 1600, 1601"


@pytest.mark.parametrize(("extension", "what"), [("911", "911 is an emergency number elsewhere"), ("9933", "9933 is the emergency number elsewhere 933 after")])
def test_the_numbers_visitors_dial_are_no_extensions_anywhere(extension: str, what: str) -> None:
    raw = changed("users/lee/extension", extension)
    raw["country"] = "GB"
    (problem,) = validate(raw)[1]
    assert problem.sentence.startswith(what)


@pytest.mark.parametrize("broken", [5, {"name": "", "extension": "2"}, {"extension": []}])
def test_what_refers_to_a_broken_object_is_not_reported_as_well(broken: object) -> None:
    raw = changed("users/dana", broken)
    site, problems = validate(raw)
    assert site is None
    assert problems
    assert all(problem.path.startswith("users.dana") for problem in problems)


def test_a_broken_owner_or_location_is_one_problem() -> None:
    raw = changed("devices/dana-desk/owner", "Not An Id")
    raw["locations"]["hall"] = "the hall"
    assert [problem.path for problem in validate(raw)[1]] == ["devices.dana-desk.owner", "locations.hall"]


def test_field_errors_and_cross_references_come_together() -> None:
    raw = changed("users/lee/extension", "205")
    raw["users"]["lee"]["name"] = ""
    raw["devices"]["door"]["enabled"] = "perhaps"
    raw["devices"]["door"]["sip_user"] = "dana-desk"
    assert {problem.path for problem in validate(raw)[1]} == {"users.lee.name", "users.lee.extension", "devices.door.enabled", "devices.door.sip_user"}


def test_secrets_are_in_no_problem() -> None:
    raw = changed("devices/door/secret", "door\x00-Zq7Zq7")
    raw["devices"]["dana-desk"]["secret"] = 700700700700
    raw["trunks"]["carrier"]["secret"] = "Zq7"
    text = " ".join(str(problem) for problem in validate(raw)[1])
    assert text.count("secret") >= 3
    assert "Zq7" not in text
    assert "700700" not in text
