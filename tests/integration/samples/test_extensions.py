"""The sample `extensions`, called through: the main extension, devices' own, the main device, the number shown outside (rows T1-T4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.integration.samples.conftest import World, ringing, secret, talk
from tests.support.carrier import trying
from tests.support.pjphone import PjPhone


@pytest.fixture(scope="module")
def hall(world: Callable[..., World]) -> World:
    return world("extensions")


@pytest.fixture(autouse=True)
def _settled(hall: World) -> Iterator[None]:
    hall.carrier.plan = [trying]
    yield
    hall.settle()


@pytest.mark.row("T1")
def test_the_main_extension_rings_all_active_devices_and_is_presented(hall: World) -> None:
    desk, soft = hall.phone("dana-desk"), hall.phone("dana-soft")
    with PjPhone(hall.folder / "dect") as handset:
        assert not handset.register("dana-dect", secret("dana-dect"), hall.box.sip, domain=hall.domain).ok, "it is switched off"
        call = hall.dial("eli-desk", "201")
        first, second = ringing(desk), ringing(soft)
        assert handset.no_call()
    first.answer()
    talk(call, first)
    second.wait("DISCONNECTED")
    hall.settle()
    for device in ("dana-desk", "dana-soft"):
        call = hall.dial(device, "202")
        rings = ringing(hall.phone("eli-desk"))
        assert "sip:201@" in rings.message.uri_of("from"), "whichever device calls, it is Dana"
        assert "Dana Webb" in rings.message.header("from")
        call.hangup()
        rings.wait("DISCONNECTED")
        hall.settle()


@pytest.mark.row("T2")
def test_a_custom_number_is_shown_outside_and_the_sites_otherwise(hall: World) -> None:
    for device, shown in (("dana-soft", "+4930555012"), ("eli-desk", "+4930555010")):
        before = len(hall.carrier.calls)
        call = hall.dial(device, "9030555199")
        invite = hall.carrier.wait_call(before).invite
        assert "+4930555199@" in invite.uri
        assert shown in invite.uri_of("from")
        assert shown in invite.header("p-asserted-identity")
        call.hangup()
        hall.settle()


@pytest.mark.row("T3")
def test_a_devices_own_extension_rings_it_alone(hall: World) -> None:
    desk, soft = hall.phone("dana-desk"), hall.phone("dana-soft")
    call = hall.dial("eli-desk", "2011")
    rings = ringing(soft)
    assert desk.no_call()
    rings.answer()
    talk(call, rings)


@pytest.mark.row("T3")
def test_a_new_device_is_made_for_a_user_and_rings_with_the_others(hall: World) -> None:
    hall.cli("site", "set", "devices.dana-new", '{"owner": "dana", "sip_user": "dana-new", "extension": "2013", "mac": "00:00:5e:00:53:02"}')
    out = hall.change({"devices.dana-new.secret": secret("dana-new")})
    assert "is in force" in out
    desk, new = hall.phone("dana-desk"), hall.baresip("dana-new")
    start = len(new.events)
    call = hall.dial("eli-desk", "201")
    rings = ringing(desk)
    new.wait_event("CALL_INCOMING", start=start)
    new.accept()
    call.wait("CONFIRMED")
    call.hangup()
    rings.wait("DISCONNECTED")


@pytest.mark.row("T4")
def test_the_main_extension_follows_the_main_device(hall: World) -> None:
    out = hall.change({"devices.dana-desk.extension": "205"})
    assert "extension of Dana Webb: 201 -> 205" in out
    assert hall.value("users.dana.extension") == "205"
    assert hall.value("numbers.dana.destination") == {"kind": "extension", "target": "205"}, "what led there follows"
    desk, soft = hall.phone("dana-desk"), hall.phone("dana-soft")
    call = hall.dial("eli-desk", "205")
    first, second = ringing(desk), ringing(soft)
    first.answer()
    call.wait("CONFIRMED")
    call.hangup()
    second.wait("DISCONNECTED")
    hall.settle()
    gone = hall.dial("eli-desk", "201")
    gone.wait("DISCONNECTED")
    assert gone.code == 404
    outside = hall.call_in("+4930555012", caller="+4930555199")
    rings, other = ringing(desk), ringing(soft)
    rings.answer()
    outside.wait_answer()
    outside.hangup()
    other.wait("DISCONNECTED")
