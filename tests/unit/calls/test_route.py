"""Routing decisions, one INVITE at a time."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.calls.caller import caller_of
from appliance.calls.dials import Calling, plan_for
from appliance.calls.fork import Fail, Fork
from appliance.calls.route import CallBack, Incoming, Refused, Route, Target, ToCallBack, ToEmergency, ToExtension, ToOutside, View, route
from appliance.sip.api import Invite, Origin
from appliance.types import DeviceId, LegId, TrunkId
from tests.unit.calls.fakes import BOX, PHONE, snapshot_of


def invite(user: str, device: str = "carol-desk", **fields: Any) -> Invite:
    values: dict[str, Any] = {
        "leg": LegId("l1"),
        "call_id": "c1",
        "uri": f"sip:{user}@box",
        "uri_user": user,
        "from_uri": "sip:carol1@box",
        "from_user": "carol1",
        "from_display": "",
        "to_user": user,
        "source": PHONE,
        "local": BOX,
        "origin": Origin.DEVICE,
        "device": DeviceId(device),
    }
    return Invite(**(values | fields))


def from_trunk(user: str, **fields: Any) -> Invite:
    return invite(user, **({"origin": Origin.TRUNK, "trunk": TrunkId("acme"), "device": None} | fields))


def contact(device: DeviceId) -> tuple[Target, ...]:
    return (Target(f"sip:{device}@192.168.1.60", BOX, device),)


def view(
    *,
    engaged: tuple[str, ...] = (),
    emergency: tuple[str, ...] = (),
    absent: tuple[str, ...] = (),
    backs: dict[str, CallBack] | None = None,
    excluded: tuple[str, ...] = (),
) -> View:
    return View(
        targets=lambda device: () if device in absent else contact(device),
        engaged=lambda device: device in engaged,
        in_emergency=lambda device: device in emergency,
        call_back=(backs or {}).get,
        excluded=frozenset(DeviceId(name) for name in excluded),
    )


def rings(found: Route) -> list[str]:
    assert isinstance(found, ToExtension), found
    return [str(target.device) for target in found.targets]


def refused(found: Route) -> tuple[int, str]:
    assert isinstance(found, Refused), found
    return found.outcome.code, found.outcome.reason


SITE = snapshot_of()


@pytest.mark.row("K4")
@pytest.mark.row("T1")
def test_an_extension_rings_all_devices_of_its_user() -> None:
    found = route(invite("101"), SITE, view())
    assert rings(found) == ["dana-desk", "dana-soft"]
    assert isinstance(found, ToExtension)
    assert (found.extension, found.name, found.ring_s) == ("101", "Dana Fox", 20.0)


def test_every_contact_of_a_device_rings() -> None:
    double = view()
    both = View(lambda device: contact(device) * 2, double.engaged, double.in_emergency, double.call_back)
    assert rings(route(invite("103", device="door"), SITE, both)) == ["carol-desk", "carol-desk"]


@pytest.mark.row("K2")
def test_a_device_without_owner_calls_and_is_called() -> None:
    assert rings(route(invite("190"), SITE, view())) == ["door"]
    assert rings(route(invite("101", device="door"), SITE, view())) == ["dana-desk", "dana-soft"]


def test_a_device_is_reached_by_its_sip_user() -> None:
    assert rings(route(invite("dana2"), SITE, view())) == ["dana-soft"]


def test_a_user_who_calls_the_own_extension_rings_the_other_devices() -> None:
    assert rings(route(invite("101", device="dana-desk"), SITE, view())) == ["dana-soft"]
    assert refused(route(invite("103", device="carol-desk"), SITE, view()))[0] == 486


def test_unregistered_is_480_and_told_from_unknown() -> None:
    assert refused(route(invite("101"), SITE, view(absent=("dana-desk", "dana-soft")))) == (480, "Phone Not Registered")
    assert rings(route(invite("101"), SITE, view(absent=("dana-desk",)))) == ["dana-soft"]
    assert refused(route(invite("177"), SITE, view()))[0] == 404


def test_a_user_switched_off_is_480() -> None:
    off = snapshot_of(users={"dana": {"enabled": False}})
    assert refused(route(invite("101"), off, view()))[0] == 480


def test_call_waiting_off_is_busy_while_any_phone_of_the_user_is_in_a_call() -> None:
    assert refused(route(invite("102"), SITE, view(engaged=("bob-desk",)))) == (486, "Busy Here")
    assert rings(route(invite("102"), SITE, view())) == ["bob-desk"]
    assert rings(route(invite("101"), SITE, view(engaged=("dana-desk",)))) == ["dana-desk", "dana-soft"]


def test_a_phone_in_an_emergency_call_is_left_alone() -> None:
    assert rings(route(invite("101"), SITE, view(emergency=("dana-desk",)))) == ["dana-soft"]
    assert refused(route(invite("101"), SITE, view(emergency=("dana-desk", "dana-soft"))))[0] == 486


def test_phones_of_the_call_that_is_transferred_do_not_ring() -> None:
    assert rings(route(invite("101"), SITE, view(excluded=("dana-soft",)))) == ["dana-desk"]


@pytest.mark.parametrize("dialled", ["911", "9911", "112", "933", "9933"])
def test_emergency_numbers_are_recognised_even_when_admission_missed_them(dialled: str) -> None:
    found = route(invite(dialled), SITE, view())
    assert found == ToEmergency(dialled[-3:], dialled.endswith("933"))


def test_numbers_the_site_adds_are_emergency_numbers_with_the_prefix_too() -> None:
    site = snapshot_of(emergency={"extra_numbers": ["555"], "test_numbers": ["922"]})
    for dialled, number in (("555", "555"), ("9555", "555"), ("922", "922"), ("9922", "922")):
        assert route(invite(dialled), site, view()) == ToEmergency(number, number == "922")


def test_the_service_of_the_invite_goes_before_everything() -> None:
    backs = {"+12125550100": CallBack("+12125550100")}
    found = route(from_trunk("+12125550100", service="urn:service:sos.fire", origin=Origin.UNKNOWN), SITE, view(backs=backs))
    assert found == ToEmergency("urn:service:sos.fire", False)


def test_an_emergency_number_from_a_trunk_is_just_an_unknown_number() -> None:
    assert refused(route(from_trunk("911"), SITE, view()))[0] == 404


@pytest.mark.parametrize("dialled", ["912125559999", "2125559999", "12125559999", "+12125559999"])
def test_outside_numbers_become_e164(dialled: str) -> None:
    assert route(invite(dialled), SITE, view()) == ToOutside("+12125559999", (TrunkId("acme"), TrunkId("backup")))


def test_short_service_numbers_go_out_as_they_are_and_star_codes_do_not() -> None:
    assert route(invite("9411"), SITE, view()) == ToOutside("411", (TrunkId("acme"), TrunkId("backup")))
    assert refused(route(invite("*69"), SITE, view()))[0] == 404


def test_international_is_barred_until_allowed() -> None:
    assert refused(route(invite("9011442079460000"), SITE, view())) == (403, "International calls to +44 are not allowed here")
    allowed = snapshot_of(outbound={"allowed_countries": ["+44"]})
    assert route(invite("9011442079460000"), allowed, view()) == ToOutside("+442079460000", (TrunkId("acme"), TrunkId("backup")))


def test_premium_and_blocked_numbers_are_barred() -> None:
    assert refused(route(invite("919005551234"), SITE, view()))[0] == 403
    blocked = snapshot_of(outbound={"blocked_prefixes": ["+1212"]})
    assert refused(route(invite("912125559999"), blocked, view()))[0] == 403


def test_no_trunk_is_503() -> None:
    bare = snapshot_of(trunks={"acme": {"enabled": False}, "backup": {"enabled": False}})
    found = route(invite("912125559999"), bare, view())
    assert isinstance(found, ToOutside), "there may be a modem"
    plan = plan_for(found, Calling(caller_of(invite("912125559999"), bare)), bare, lambda trunks: trunks)
    acts = Fork(plan, "call").start(0.0)
    assert [act.outcome.code for act in acts if isinstance(act, Fail)] == [503]


def test_a_number_of_the_site_dialled_inside_needs_no_trunk() -> None:
    assert rings(route(invite("912125550101"), SITE, view())) == ["dana-desk", "dana-soft"]


@pytest.mark.parametrize("user", ["+12125550101", "12125550101", "2125550101"])
def test_an_incoming_number_is_found_however_the_trunk_writes_it(user: str) -> None:
    national = snapshot_of(trunks={"acme": {"number_format": "national"}})
    assert route(from_trunk(user), national, view()) == Incoming("+12125550101")


def test_the_number_in_to_counts_where_the_request_uri_holds_the_account() -> None:
    assert route(from_trunk("acct1", to_user="+12125550101"), SITE, view()) == Incoming("+12125550101")


def test_unknown_incoming_numbers_are_404_and_extensions_are_not_reachable_from_outside() -> None:
    for user in ("+12125557777", "101", "acct1", "anonymous"):
        code, reason = refused(route(from_trunk(user), SITE, view()))
        assert code == 404
        assert reason.startswith("Not Found")


def test_a_number_bound_to_one_trunk_is_not_taken_from_another() -> None:
    bound = snapshot_of(numbers={"dana": {"trunk": "backup"}})
    assert refused(route(from_trunk("+12125550101"), bound, view()))[0] == 404
    assert route(from_trunk("+12125550101", trunk=TrunkId("backup")), bound, view()) == Incoming("+12125550101")


def test_a_call_back_rings_the_phone_past_call_waiting_then_security() -> None:
    backs = {"+12125550101": CallBack("+12125550101", DeviceId("bob-desk"))}
    found = route(from_trunk("+12125550101"), SITE, view(engaged=("bob-desk",), emergency=("bob-desk",), backs=backs))
    assert isinstance(found, ToCallBack)
    assert [target.device for target in found.first] == ["bob-desk"]
    assert [target.device for target in found.then] == ["carol-desk"]


def test_a_call_back_to_nobody_rings_security() -> None:
    backs = {"+12125550155": CallBack("+12125550155")}
    found = route(from_trunk("+12125550155"), SITE, view(backs=backs))
    assert isinstance(found, ToCallBack)
    assert found.first == ()
    assert [target.device for target in found.then] == ["carol-desk"]


def test_a_call_back_to_an_unknown_phone_goes_to_its_contact() -> None:
    there = Target("sip:stranger@192.168.1.99:5060", BOX, DeviceId(""))
    backs = {"+12125550155": CallBack("+12125550155", contact=there)}
    found = route(from_trunk("+12125550155"), SITE, view(backs=backs))
    assert isinstance(found, ToCallBack)
    assert found.first == (there,)


def test_a_call_back_that_reaches_nobody_falls_to_the_numbers_destination() -> None:
    site = snapshot_of(emergency={"security_extensions": []})
    backs = {"+12125550101": CallBack("+12125550101")}
    assert route(from_trunk("+12125550101"), site, view(backs=backs)) == Incoming("+12125550101")


def test_a_call_back_number_dialled_inside_is_a_call_back_too() -> None:
    backs = {"+12125550155": CallBack("+12125550155", DeviceId("bob-desk"))}
    assert isinstance(route(invite("912125550155"), SITE, view(backs=backs)), ToCallBack)


def test_hostile_request_uris_get_a_clean_phrase() -> None:
    code, reason = refused(route(invite('12\r\nX: "y" \x00ü' * 40), SITE, view()))
    assert code == 404
    assert reason.isascii()
    assert reason.isprintable()
    assert len(reason) <= 120
