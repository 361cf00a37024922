"""What a commit does to a running box: it is in force soon, calls and registrations notice nothing, and what nobody confirms goes back."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.control.client import Client
from appliance.errors import HoldfastError, StateError
from appliance.site.editing import Editor
from tests.integration.conftest import BoxMaker, PhoneMaker
from tests.support.box import Box
from tests.support.carrier import Carrier, answer
from tests.support.disks import ext4, fill, tmpfs
from tests.support.proc import wait_until
from tests.support.sites import Document, add_trunk, make_site, secret
from tests.support.tone import longest_gap_ms, tone_seconds
from tests.support.wellbeing import own_address, register

CarrierMaker = Callable[..., Carrier]
NOTICED_S = 2.0


def armed(carrier: Carrier, phones: int = 2) -> Document:
    return add_trunk(make_site(phones), "out", carrier.ip, carrier.port, health_seconds=0, emergency_armed=True)


def runs(box: Box, revision: int, timeout_s: float = 5.0) -> None:
    wait_until(lambda: box.status()["revision"] == revision, timeout_s, f"revision {revision} in force")


def overdue(box: Box, **fields: Any) -> None:
    """As if the minutes had gone by."""
    file = box.data / "site" / "confirm.json"
    held = json.loads(file.read_bytes())
    file.write_text(json.dumps({**held, "deadline_s": 0.0, **fields}))


def alarmed(box: Box, code: str) -> dict[str, Any]:
    return wait_until(lambda: next((alarm for alarm in box.status()["alarms"] if alarm["code"] == code), None), 10.0, f"the alarm {code}")


# ---- in force --------------------------------------------------------------------------------------------------------


def test_a_commit_is_in_force_when_told_and_soon_when_nobody_tells(box: BoxMaker) -> None:
    running = box(make_site(2))
    editor = running.editor()
    with Client(running.control) as client:
        events = client.subscribe("events", wait_s=10.0)
        editor.set("users.user-201.extension", "210")
        made = editor.commit("told")
        assert running.activate() == made.revision == 2
        assert running.status()["revision"] == 2
        editor.set("users.user-202.extension", "220")
        made = editor.commit("not told")
        began = time.monotonic()
        runs(running, made.revision)
        assert time.monotonic() - began < NOTICED_S
        seen = [event.data for event in events_until(events, lambda data: data.get("revision") == 3)]
    assert [(data["revision"], data["previous"]) for data in seen if data["type"] == "SiteActivated"] == [(2, 1), (3, 2)]
    assert running.activate() == 3


def events_until(events: Any, last: Callable[[dict[str, Any]], bool]) -> list[Any]:
    found = []
    for event in events:
        found.append(event)
        if event.data["type"] == "SiteActivated" and last(event.data):
            return found
    raise AssertionError("the events ended")


def test_a_commit_while_the_box_is_down_counts_when_it_starts(box: BoxMaker) -> None:
    running = box(make_site(2))
    running.stop()
    editor = running.editor()
    editor.set("name", "Changed while it was off")
    assert editor.commit().revision == 2
    running.start()
    assert running.ready["revision"] == 2
    assert running.status()["site"] == "Changed while it was off"


def test_phones_stay_registered_and_those_of_removed_devices_do_not(box: BoxMaker, carrier: CarrierMaker) -> None:
    running = box(make_site(4))
    peers = {extension: carrier(own_address(), 5060) for extension in ("201", "202", "203")}
    for extension, peer in peers.items():
        assert register(running, peer, extension).status == 200
    before = {row["device"]: row for row in running.registrations()}
    editor = running.editor()
    editor.set("users.user-201.extension", "210")
    editor.set("devices.phone-202.enabled", False)
    editor.delete("devices.phone-203")
    editor.commit()
    running.activate()
    after = {row["device"]: row for row in running.registrations()}
    assert set(after) == {"phone-201"}
    assert after["phone-201"]["contact"] == before["phone-201"]["contact"]
    # It rings at once under its new number, without having registered again.
    peers["201"].plan = [answer()]
    call = peers["202"].call(running.uri("210"), running.sip, from_uri=running.uri("204"), user="204", secret=secret("204")).wait_answer()
    assert peers["201"].wait_call(0).invite.is_request
    call.hangup()


def test_two_editors_at_once_leave_one_history(box: BoxMaker) -> None:
    running = box(make_site(4))

    def work(extension: str) -> None:
        editor = Editor(running.data, f"editor-{extension}")
        done = 0
        while done < 4:
            try:
                editor.set(f"users.user-{extension}.name", f"{extension} number {done + 1}")
                editor.commit(extension)
            except HoldfastError as error:
                # The other one's commit took this one's change with it, or changes came faster than they could be checked.
                assert error.code in {"nothing-to-commit", "busy"}, error
            done += 1

    threads = [threading.Thread(target=work, args=(extension,)) for extension in ("201", "202")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60.0)
    editor = running.editor()
    if editor.pending():
        editor.commit("the rest")
    numbers = [entry.number for entry in editor.history()]
    assert numbers == list(range(max(numbers), 0, -1))
    runs(running, max(numbers))
    document = editor.show().value
    assert [document["users"][f"user-{extension}"]["name"] for extension in ("201", "202")] == ["201 number 4", "202 number 4"]


# ---- on condition ----------------------------------------------------------------------------------------------------


@pytest.mark.row("A1")
@pytest.mark.row("Z5")
def test_what_nobody_confirms_goes_back_by_itself(box: BoxMaker) -> None:
    running = box(make_site(2))
    editor = running.editor()
    editor.set("name", "Tried")
    editor.commit("try", 5)
    running.activate()
    told = running.status()["unconfirmed"]
    assert (told["revision"], told["previous"], told["author"]) == (2, 1, "tests")
    assert 290 < told["seconds_left"] <= 300
    with Client(running.control) as client:
        events = client.subscribe("events", wait_s=10.0)
        overdue(running)
        began = time.monotonic()
        runs(running, 3)
        assert time.monotonic() - began < NOTICED_S + 0.5
        seen = [event.data for event in events_until(events, lambda data: data["revision"] == 3)]
    settled = next(data for data in seen if data["type"] == "CommitSettled")
    assert (settled["revision"], settled["confirmed"], settled["current"]) == (2, False, 3)
    status = running.status()
    assert (status["site"], status["unconfirmed"]) == ("Test site", None)
    assert [change.sentence for change in editor.pending()] == ["name of the site: Test site -> Tried"]


def test_what_is_confirmed_stays(box: BoxMaker) -> None:
    running = box(make_site(2))
    editor = running.editor()
    editor.set("name", "Tried")
    editor.commit("try", 5)
    runs(running, 2)
    assert editor.confirm() == 2
    wait_until(lambda: running.status()["unconfirmed"] is None, 5.0, "the engine to know")
    running.kill9()
    running.start()
    assert running.status()["site"] == "Tried"


@pytest.mark.row("Z5")
@pytest.mark.parametrize("reboot", [False, True], ids=["same boot", "after a reboot"])
def test_everything_killed_the_deadline_still_counts(box: BoxMaker, reboot: bool) -> None:
    """Supervisor and engine are killed with -9; the time ends while nothing runs; the next start begins with the old site."""
    running = box(make_site(2), supervised=True)
    editor = running.editor()
    editor.set("name", "Tried")
    editor.commit("try", 5)
    running.activate()
    pid = running.kill9()
    assert running.program is not None
    running.program.kill()
    overdue(running, **({"boot_id": "an earlier one", "deadline_unix_s": time.time() - 1.0} if reboot else {}))
    running.start()
    running.wait_back(other_than=pid)
    status = running.status()
    assert (status["revision"], status["site"], status["unconfirmed"]) == (3, "Test site", None)


def test_after_a_reboot_without_a_clock_the_whole_time_is_given_once_more(box: BoxMaker) -> None:
    running = box(make_site(2))
    editor = running.editor()
    editor.set("name", "Tried")
    editor.commit("try", 5)
    running.kill9()
    # The clock fell back by years: by it the deadline is far away.
    overdue(running, boot_id="an earlier one", deadline_unix_s=time.time() + 3e8)
    running.start()
    told = running.status()["unconfirmed"]
    assert 280 < told["seconds_left"] <= 300
    wait_until(lambda: running.status()["unconfirmed"]["seconds_left"] < told["seconds_left"] - 1.0, 10.0, "the time going by")


# ---- calls -----------------------------------------------------------------------------------------------------------


@pytest.mark.row("A1")
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_call_hears_nothing_of_twenty_commits(box: BoxMaker, phone: PhoneMaker) -> None:
    home = box(make_site(3))
    caller, called = phone("p201"), phone("p202")
    assert caller.register("201", secret("201"), home.sip).ok
    assert called.register("202", secret("202"), home.sip).ok
    call = caller.call(home.uri("202")).wait("CONFIRMED")
    answered = called.incoming()
    wait_until(lambda: tone_seconds(call.recording) >= 1 and tone_seconds(answered.recording) >= 1, 10.0, "both tones", interval_s=0.1)
    editor = home.editor()
    pid = home.pid()
    for number in range(20):
        # Both people of the call change, and so does what they have in common.
        editor.set("users.user-201.name", f"Caller {number}")
        editor.set("users.user-202.extension", f"2{number + 10}0")
        editor.set("sip.ring_seconds", 20 + number)
        editor.set("devices.phone-201.secret", f"the-secret-of-round-{number}")
        assert home.activate() == editor.commit(f"round {number}").revision or home.activate()
    revision = editor.history()[0].number
    assert (home.status()["revision"], revision, home.pid()) == (21, 21, pid)
    assert [row["state"] for row in home.calls()] == ["up"]
    call.hangup()
    home.wait_idle()
    for path in (call.recording, answered.recording):
        wait_until(lambda path=path: tone_seconds(path) > 5, 5.0, "the recording")
        # A frame may fall out where the phone's own tone begins anew.
        assert longest_gap_ms(path) <= 60, path


def test_an_emergency_call_is_not_touched_and_the_next_one_leaves_while_commits_go_on(box: BoxMaker, carrier: CarrierMaker) -> None:
    out, caller = carrier(own_address(), 5060), carrier(own_address(), 5060)
    out.plan = [answer()]
    running = box(armed(out))

    def dial() -> Any:
        return caller.call(running.uri("911"), running.sip, from_uri=running.uri("201"))

    first = dial().wait_answer()
    arrived = out.wait_call(0)
    stop = threading.Event()
    faults: list[BaseException] = []

    def commit() -> None:
        editor = running.editor()
        number = 0
        while not stop.is_set():
            number += 1
            try:
                # Even what the call goes by: the trunk, the phone, its place.
                editor.set("trunks.out.enabled", bool(number % 2))
                editor.set("trunks.spare", {"name": f"Spare {number}", "host": out.ip, "port": out.port, "health_seconds": 0})
                editor.set("devices.phone-201.location", "annex" if number % 2 else "main")
                editor.set("locations.main.name", f"Main {number}")
                editor.commit()
                running.activate()
            except BaseException as error:  # noqa: BLE001 - told below
                faults.append(error)
                return

    thread = threading.Thread(target=commit)
    thread.start()
    try:
        for index in range(1, 9):
            began = time.monotonic()
            call = dial()
            reached = out.wait_call(index)
            assert reached.at - began < 1.0
            assert reached.invite.part("application/pidf+xml")
            call.wait_answer().hangup()
            reached.wait("BYE")
        wait_until(lambda: faults or running.status()["revision"] > 4, 60.0, "some commits")
    finally:
        stop.set()
        thread.join(60.0)
    assert faults == []
    assert not arrived.has("BYE")
    assert len(running.calls()) == 1
    first.hangup()
    arrived.wait("BYE")


# ---- what can go wrong -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_a_commit_on_a_broken_disk_is_refused_and_loses_nothing(opened: contextlib.ExitStack, box: BoxMaker, carrier: CarrierMaker, fault: str) -> None:
    out, caller = carrier(own_address(), 5060), carrier(own_address(), 5060)
    out.plan = [answer()]
    running = box(armed(out), start=False)
    running.data.mkdir()
    folder = running.data / "site"
    disk = opened.enter_context(ext4(folder)) if fault == "read-only" else None
    if disk is None:
        opened.enter_context(tmpfs(folder, 1 << 20))
    running.start()
    editor = running.editor()
    editor.set("users.user-201.name", "Typed before")
    filler: Path | None = None
    if disk is not None:
        disk.abort()
    else:
        filler = fill(folder)
    refused = []
    calls = [lambda: editor.set("users.user-201.name", "Typed after"), editor.commit, lambda: editor.commit("", 5), lambda: editor.rollback(1, discard=True)]
    for call in (*calls, *([editor.discard] if disk is not None else [])):  # on a full disk files can still be deleted
        with pytest.raises(StateError) as caught:
            call()
        assert "disk" in caught.value.hint
        refused.append(caught.value.sentence)
    assert all("full" in text or "No space" in text or "Read-only" in text for text in refused), refused
    assert editor.show("users.user-201.name").value == "Typed before"
    assert len(editor.pending()) == 1
    assert (running.status()["revision"], running.status()["mode"]) == (1, "normal")
    before = len(out.calls)
    call = caller.call(running.uri("911"), running.sip, from_uri=running.uri("201")).wait_answer()
    assert out.wait_call(before).invite.is_request
    call.hangup()
    if filler is not None:
        filler.unlink()
        assert running.activate() == 1
        made = editor.commit("there is room again")
        assert running.activate() == made.revision
    running.stop()


def newer(box: Box) -> int:
    """Make a revision current that a later release might have written; its number."""
    folder = box.data / "site"
    number = int((folder / "current").read_text()) + 1
    raw = json.loads((folder / "revisions" / f"{number - 1:06}.json").read_bytes())
    raw |= {"number": number, "after": number - 1}
    raw["site"]["name"] = "From the future"
    raw["site"]["teleport"] = {"to": "anywhere"}
    (folder / "revisions" / f"{number:06}.json").write_text(json.dumps(raw))
    (folder / "current").write_text(f"{number}\n")
    return number


def test_a_revision_that_is_not_understood_stops_nothing(box: BoxMaker) -> None:
    running = box(make_site(2))
    number = newer(running)
    assert alarmed(running, "site-revision")["sentence"] == f"Revision {number} cannot be read; revision 1 runs"
    assert running.activate() == 1
    running.kill9()
    running.start()
    status = running.status()
    assert (status["revision"], status["site"]) == (1, "Test site")
    assert alarmed(running, "site-revision")
    # Somebody rolls back, and all is well.
    made = running.editor().rollback(1, "away from there")
    runs(running, made.revision)
    wait_until(lambda: not running.status()["alarms"], 5.0, "no alarm")
    assert made.revision == number + 1


def test_a_flow_that_is_not_understood_stops_nothing(box: BoxMaker) -> None:
    """A kind of step of another release: the site runs, and so do all other flows."""
    running = box(make_site(2))
    folder = running.data / "site"
    raw = json.loads((folder / "revisions" / "000001.json").read_bytes())
    raw |= {"number": 2, "after": 1}
    raw["site"]["flows"]["odd"] = {"name": "Odd", "start": "a", "steps": {"a": {"type": "teleport", "settings": {"to": "anywhere"}}}, "extensions": ["777"]}
    (folder / "revisions" / "000002.json").write_text(json.dumps(raw))
    (folder / "current").write_text("2\n")
    runs(running, 2)
    running.kill9()
    running.start()
    assert running.status()["revision"] == 2
    running.stop()


def test_a_candidate_that_is_damaged_does_not_concern_the_engine(box: BoxMaker) -> None:
    running = box(make_site(2))
    editor = running.editor()
    editor.set("name", "Typed")
    (running.data / "site" / "candidate.json").write_bytes(b"\x00" * 100)
    (running.data / "site" / "confirm.json").write_bytes(b"\x00" * 100)
    assert running.activate() == 1
    running.kill9()
    running.start()
    assert running.status()["revision"] == 1
