"""Voicemail of the running box, over its control socket and the command: messages from before its start, from before a kill, and from a lost database."""

from __future__ import annotations

import json
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from appliance.sound import header, load
from tests.integration.conftest import BoxMaker
from tests.support.box import Box, BoxError
from tests.support.proc import wait_until
from tests.support.sites import make_site

SECOND = struct.pack("<8000h", *[3000, -3000] * 4000)


def site() -> dict[str, Any]:
    document = make_site(2)
    document["mailboxes"] = {"box-201": {"name": "Of 201", "owner": "user-201"}, "sales": {"name": "Sales"}}
    return document


def leave(box: Box, id: str, seconds: float, *, mailbox: str = "box-201", interrupted: bool = False) -> None:
    """What is on disk of a message: whole, or as a kill in its middle left it."""
    folder = box.data / "voicemail" / mailbox
    folder.mkdir(parents=True, exist_ok=True)
    pcm = (SECOND * int(seconds + 1))[: round(seconds * 16_000)]
    (folder / f"{id}.json").write_text(json.dumps({"caller": "+15550123", "caller_name": "Zoë", "session": "s1", "started_unix_s": 1.7e9}))
    if interrupted:
        (folder / f"{id}.part").write_bytes(header(8000, 0) + pcm)
    else:
        (folder / f"{id}.wav").write_bytes(header(8000, len(pcm)) + pcm)


def messages(box: Box, mailbox: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = box.rpc("voicemail.list", mailbox=mailbox)["messages"]
    return found


def wait_messages(box: Box, count: int) -> list[dict[str, Any]]:
    """Looking through what a kill left goes on beside the start."""
    return wait_until(lambda: (found := messages(box)) and len(found) == count and found, 10, f"{count} messages")


def test_messages_are_listed_saved_marked_and_deleted(box: BoxMaker, tmp_path: Path) -> None:
    one = box(site(), start=False)
    leave(one, "m1", 80)  # more than one piece
    leave(one, "m2", 2, interrupted=True)
    leave(one, "m3", 3, mailbox="sales")
    one.start()
    assert {row["id"]: row["seconds"] for row in wait_messages(one, 3)} == {"m1": 80.0, "m2": 2.0, "m3": 3.0}
    assert [row["id"] for row in messages(one, "sales")] == ["m3"]
    assert "Zoë" in one.cli("voicemail", "list", "box-201")

    for id, seconds in (("m1", 80), ("m2", 2)):
        one.cli("voicemail", "export", id, str(tmp_path / f"{id}.wav"))
        assert load(tmp_path / f"{id}.wav").pcm == SECOND * seconds
    played = subprocess.run(["sox", tmp_path / "m2.wav", "-n", "stat"], check=True, capture_output=True, text=True).stderr
    assert "Length (seconds):      2.000000" in played

    one.cli("voicemail", "heard", "m1")
    assert [row["heard_unix_s"] is None for row in messages(one, "box-201")] == [False, True]
    one.cli("voicemail", "delete", "m1")
    assert [row["id"] for row in messages(one)] == ["m2", "m3"]
    for method in ("voicemail.heard", "voicemail.delete", "voicemail.read"):
        with pytest.raises(BoxError) as caught:
            one.rpc(method, id="m1")
        assert caught.value.code == "not-found"

    one.kill9()
    one.start()
    wait_messages(one, 2)
    assert not list(one.data.rglob("m1.*")), "it came back"


def test_a_lost_state_database_loses_no_message(box: BoxMaker) -> None:
    one = box(site(), start=False)
    leave(one, "m1", 2)
    one.start()
    wait_messages(one, 1)
    one.stop()
    for path in (one.data / "state").glob("state.db*"):
        path.unlink()
    one.start()
    (row,) = wait_messages(one, 1)
    assert (row["caller"], row["caller_name"], row["call"], row["heard_unix_s"]) == ("+15550123", "Zoë", "s1", None)


def test_an_id_is_no_path_and_a_file_taken_away_is_a_clear_error(box: BoxMaker) -> None:
    one = box(site(), start=False)
    leave(one, "m1", 2)
    one.start()
    wait_messages(one, 1)
    for id in ("../../state/state.db", "/etc/passwd", "m1/../m1", "\x00", "' OR 1=1 --"):
        for method in ("voicemail.read", "voicemail.delete", "voicemail.heard"):
            with pytest.raises(BoxError) as caught:
                one.rpc(method, id=id)
            assert caught.value.code == "not-found"
    assert (one.data / "state" / "state.db").exists()
    assert len(messages(one)) == 1
    (one.data / "voicemail" / "box-201" / "m1.wav").unlink()
    with pytest.raises(BoxError) as caught:
        one.rpc("voicemail.read", id="m1")
    assert caught.value.code == "voicemail-disk"
    one.cli("voicemail", "delete", "m1")
    assert messages(one) == []
