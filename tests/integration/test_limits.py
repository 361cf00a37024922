"""Several boxes on one machine, and starts that cannot succeed: one sentence, a hint, exit code 1; damage the box can live with is an alarm."""

from __future__ import annotations

import contextlib
import re
import socket
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import BoxMaker
from tests.support.box import Box
from tests.support.carrier import Carrier
from tests.support.proc import Program
from tests.support.sites import make_site, secret
from tests.support.wellbeing import assert_serves, own_address, register

EXIT_S = 20.0


def refuses(box: Box, *words: str) -> str:
    """The start under the supervisor ends with exit code 1 and says each of `words` in a sentence with a hint, never a traceback."""
    with contextlib.suppress(AssertionError, OSError):  # OSError: the data folder is none
        box.start(EXIT_S)
    assert box.program is not None
    assert box.program.wait(EXIT_S) == 1
    said = "\n".join(box.program.lines)
    assert "Traceback" not in said
    for word in words:
        assert word in said
    return said


def test_three_boxes_side_by_side(box: BoxMaker, opened: contextlib.ExitStack) -> None:
    boxes = [box(make_site(3), supervised=True) for _ in range(3)]
    assert len({b.pid() for b in boxes}) == 3
    calls = []
    for running in boxes:
        caller, callee = (opened.enter_context(Carrier(own_address(), 5060)) for _ in range(2))
        assert register(running, callee, "202").status == 200
        call = caller.call(running.uri("202"), running.sip, from_uri=running.uri("201"), user="201", secret=secret(201)).wait_answer()
        callee.wait_call()
        calls.append((running, call, callee))
    # All three calls are up at once, each in its own box.
    media = set()
    for running, call, callee in calls:
        assert len(running.calls()) == 1
        assert [row["sip_user"] for row in running.registrations()] == ["202"]
        assert call.final is not None
        media |= {call.final.media()[1], callee.calls[0].invite.media()[1]}
    assert len(media) == 6, "two calls share an RTP port"
    pid, others = boxes[0].pid(), [b.pid() for b in boxes[1:]]
    boxes[0].stop()
    assert boxes[0].program is not None
    for (running, call, _), other in zip(calls[1:], others, strict=True):
        assert running.pid() == other != pid
        assert len(running.calls()) == 1
        call.hangup()
        running.wait_idle()


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_port_in_use_is_named(box: BoxMaker, kind: socket.SocketKind) -> None:
    refused = box(make_site(1), supervised=True, start=False)
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind(refused.sip)
        if kind == socket.SOCK_STREAM:
            holder.listen()
        refuses(refused, str(refused.sip_port), "HOLDFAST_SIP_PORT")
    # And once it is free the same box starts.
    refused.start()
    assert_serves(refused, refused.pid(), "201")


def test_a_second_box_on_the_same_data_folder(box: BoxMaker) -> None:
    first = box(make_site(1), supervised=True)
    pid = first.pid()
    second = box(make_site(1), supervised=True, start=False, env={"HOLDFAST_DATA": str(first.data)})
    # `refuses` would wait for the first one's state file: it is the same folder.
    second._launch("appliance.app.supervisor")
    assert second.program is not None
    assert second.program.wait(EXIT_S) == 1
    assert "in use by another Holdfast" in "\n".join(second.program.lines)
    assert_serves(first, pid, "201")


def test_a_data_folder_that_is_none(box: BoxMaker) -> None:
    refused = box(make_site(1), supervised=True, start=False)
    refused.data.write_text("not a folder")
    refuses(refused, str(refused.data), "HOLDFAST_DATA")


def test_a_site_file_with_ten_mistakes_lists_them_all(box: BoxMaker) -> None:
    site = make_site(3)
    site["country"] = "Atlantis"
    site["main_number"] = "12"
    site["users"]["user-201"]["extension"] = "x"
    site["users"]["user-202"]["colour"] = "red"
    site["devices"]["phone-201"]["owner"] = "nobody"
    site["devices"]["phone-202"]["secret"] = ""
    site["devices"]["phone-203"]["location"] = "nowhere"
    site["locations"]["main"]["elins"] = ["911"]
    site["emergency"]["default_location"] = "moon"
    site["trunks"]["t"] = {"name": "T", "host": "", "port": 99999}
    refused = box(site, supervised=True, start=False)
    said = refuses(refused)
    structural = ("country", "main_number", "users.user-201.extension", "users.user-202.colour", "locations.main.elins", "trunks.t.port")
    for path in structural:
        assert path in said, f"{path} is not named in:\n{said}"
    assert not list((refused.data / "site").glob("revisions/*")), "nothing of it was put into force"


@pytest.mark.parametrize("what", ["garbage", "empty", "folder"])
def test_a_damaged_state_database_is_an_alarm_not_an_end(box: BoxMaker, what: str) -> None:
    running = box(make_site(1), start=False)
    path = running.data / "state" / "state.db"
    path.parent.mkdir(parents=True)
    if what == "folder":
        path.mkdir()
    else:
        path.write_bytes(b"not SQLite at all " * 1000 if what == "garbage" else b"")
    running.start()
    assert_serves(running, running.pid(), "201")
    if what != "empty":
        assert any("state" in alarm["code"] for alarm in running.status()["alarms"])


def test_a_damaged_newest_revision_names_the_file(box: BoxMaker, tmp_path: Path) -> None:
    running = box(make_site(1), supervised=True)
    running.stop()
    revisions = [p for p in sorted((running.data / "site" / "revisions").rglob("*")) if p.is_file()]
    assert revisions
    for path in revisions:
        path.write_bytes(b"\0" * 40)
    with Program([sys.executable, "-m", "appliance.app.supervisor"], env=running.env, cwd=Path(__file__).resolve().parents[2]) as program:
        assert program.wait(EXIT_S) == 1
        said = "\n".join(program.lines)
    assert "Traceback" not in said
    assert re.search(r"[Rr]evision", said)
