"""The sample `callflows`, called through: devices alone and owned, groups, callflows that are literal (rows K1-K7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.integration.samples.conftest import World, ringing, talk
from tests.support.carrier import trying
from tests.support.proc import wait_until
from tests.support.tone import PROOF, spoken_seconds, tone_fraction

SOON = {
    "flows.reception.steps.ring.settings.ring_seconds": "5",
    "flows.only-ring.steps.ring.settings.targets": '[{"user": "dana", "ring_seconds": 5}]',
    "flows.by-her-rules.steps.ring.settings.targets": '[{"user": "dana", "ring_seconds": 5}]',
}
"""As the sample, but nobody waits a quarter of a minute."""


@pytest.fixture(scope="module")
def hall(world: Callable[..., World]) -> World:
    return world("callflows", SOON)


@pytest.fixture(autouse=True)
def _settled(hall: World) -> Iterator[None]:
    hall.carrier.plan = [trying]
    yield
    hall.settle()


def messages(hall: World, mailbox: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = hall.box.rpc("voicemail.list", mailbox=mailbox)["messages"]
    return found


@pytest.mark.row("K2")
@pytest.mark.row("K1")
def test_a_door_without_owner_calls_and_is_called(hall: World) -> None:
    """The door is a baresip, the desk a pjsua2 phone; each hears the other."""
    door, eli = hall.baresip("door"), hall.phone("eli-desk")
    door.dial(hall.box.uri("202"))
    rings = ringing(eli)
    rings.answer()
    rings.wait("CONFIRMED")
    rings.wait_heard(200)
    door.hangup()
    rings.wait("DISCONNECTED")
    assert tone_fraction(rings.recording, seconds=3.0) >= PROOF
    assert tone_fraction(door.recording(), seconds=2.0) >= PROOF

    start = len(door.events)
    call = hall.dial("eli-desk", "290")
    door.wait_event("CALL_INCOMING", start=start)
    door.accept()
    call.wait("CONFIRMED")
    call.wait_heard(150)
    call.hangup()
    assert tone_fraction(call.recording, seconds=2.0) >= PROOF


@pytest.mark.row("K2")
def test_nobody_takes_messages_for_a_device_without_owner(hall: World) -> None:
    call = hall.dial("eli-desk", "291")
    call.wait("DISCONNECTED")
    assert call.code == 480, "the fax is not registered, and that is all"
    assert messages(hall, "dana") == messages(hall, "dana-orders") == []


@pytest.mark.row("K1")
def test_a_fax_device_gets_its_call_as_plain_sound(hall: World) -> None:
    fax = hall.phone("fax")
    call = hall.dial("eli-desk", "291")
    rings = ringing(fax)
    rings.answer()
    talk(call, rings)


@pytest.mark.row("K4")
def test_calling_a_user_rings_all_of_the_users_devices(hall: World) -> None:
    desk, bench = hall.phone("dana-desk"), hall.phone("dana-bench")
    call = hall.dial("eli-desk", "201")
    first, second = ringing(desk), ringing(bench)
    second.answer()
    talk(call, second)
    first.wait("DISCONNECTED")


@pytest.mark.row("K5")
@pytest.mark.row("K3")
def test_a_literal_callflow_rings_then_takes_a_message_whatever_the_users_forwarding(hall: World) -> None:
    desk, eli = hall.phone("dana-desk"), hall.phone("eli-desk")
    call = hall.dial("fax", "300")
    rings = ringing(desk)
    call.wait("CONFIRMED", 20.0)
    rings.wait("DISCONNECTED")
    wait_until(lambda: hall.box.said(r"beep|record"), 25.0, "the recording to begin", interval_s=0.2)
    call.wait_heard(call.stats()["rx"] + 250)
    call.hangup()
    (row,) = wait_until(lambda: messages(hall, "dana-orders"), 10.0, "the message")
    assert row["caller"] == "291"
    assert row["seconds"] >= 2.0
    hall.cli("voicemail", "export", row["id"], str(hall.folder / "message.wav"))
    assert tone_fraction(hall.folder / "message.wav", seconds=2.0) >= PROOF
    assert eli.no_call(), "the forwarding is the user's, not the callflow's"
    assert messages(hall, "dana") == [], "the user's other mailbox"


@pytest.mark.row("K3")
def test_each_of_a_users_mailboxes_is_heard_by_its_extension(hall: World) -> None:
    for extension in ("601", "602"):
        call = hall.dial("dana-desk", extension).wait("CONFIRMED")
        wait_until(lambda call=call: spoken_seconds(call.recording) > 0.8, 20.0, "the mailbox speaks", interval_s=0.2)
        call.hangup()
        hall.settle()


@pytest.mark.row("K5")
def test_ringing_and_nothing_else_ends_the_call(hall: World) -> None:
    desk, eli = hall.phone("dana-desk"), hall.phone("eli-desk")
    door = hall.phone("fax")
    call = hall.dial("fax", "310")
    ringing(desk)
    call.wait("DISCONNECTED", 20.0)
    assert call.code in (408, 480)
    assert eli.no_call()
    assert door.no_call()


@pytest.mark.row("K5")
def test_with_the_switch_on_the_users_own_forwarding_applies(hall: World) -> None:
    desk, eli = hall.phone("dana-desk"), hall.phone("eli-desk")
    call = hall.dial("fax", "311")
    rings = ringing(desk)
    forwarded = ringing(eli, 20.0)
    rings.wait("DISCONNECTED")
    forwarded.answer()
    talk(call, forwarded)


@pytest.mark.row("K6")
def test_one_callflow_serves_two_numbers_and_two_extensions(hall: World) -> None:
    desk = hall.phone("dana-desk")
    for number in ("+13125550100", "+13125550101"):
        outside = hall.call_in(number)
        rings = ringing(desk)
        rings.answer()
        outside.wait_answer()
        rings.wait("CONFIRMED")
        outside.hangup()
        rings.wait("DISCONNECTED")
        hall.settle()
    for extension in ("300", "301"):
        call = hall.dial("eli-desk", extension)
        rings = ringing(desk)
        rings.answer()
        call.wait("CONFIRMED")
        call.hangup()
        hall.settle()


@pytest.mark.row("K7")
def test_a_group_of_users_and_devices_is_dialled_like_a_user(hall: World) -> None:
    desk, bench, door = hall.phone("dana-desk"), hall.phone("dana-bench"), hall.baresip("door")
    start = len(door.events)
    call = hall.dial("eli-desk", "280")
    others = [ringing(desk), ringing(bench)]
    door.wait_event("CALL_INCOMING", start=start)
    door.accept()
    call.wait("CONFIRMED")
    call.wait_heard(150)
    for other in others:
        other.wait("DISCONNECTED")
    call.hangup()
    assert tone_fraction(call.recording, seconds=2.0) >= PROOF
