"""holdfast voicemail against a real control server."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from appliance.control.protocol import METHODS
from appliance.errors import NotFound
from tests.unit.cli.conftest import FakeBox


def message(id: str = "m1", **more: object) -> dict[str, object]:
    shape = {"id": id, "mailbox": "dana", "caller": "+15550123", "caller_name": "Zoë", "call": "s1", "started_unix_s": 1_700_000_000.0, "seconds": 75.0}
    return {**shape, "heard_unix_s": None, **more}


def test_the_list(box: FakeBox) -> None:
    evil = message("m2", caller="", caller_name="\x1b]0;title\x07\u202e", heard_unix_s=1_700_000_100.0)
    box.answers["voicemail.list"] = {"messages": [message(), evil]}
    done = box.run("voicemail", "list")
    assert done.exit_code == 0
    first, second = done.output.splitlines()[1:]
    assert first.split() == ["m1", "dana", "2023-11-14", "22:13:20", "+15550123", "Zoë", "1", "min", "15", "s", "new"]
    assert second.endswith("1 min 15 s")
    assert "\x1b" not in done.output
    assert "\u202e" not in done.output
    assert box.asked == [("voicemail.list", {"mailbox": ""})]
    assert json.loads(box.run("voicemail", "list", "dana", "--json").output) == {"messages": [message(), evil]}
    assert box.asked[-1] == ("voicemail.list", {"mailbox": "dana"})


def test_no_messages(box: FakeBox) -> None:
    box.answers["voicemail.list"] = {"messages": []}
    assert box.run("voicemail", "list").output == "No messages.\n"



@pytest.mark.parametrize("size", [0, 44, 1000, 2500])
def test_export_puts_the_pieces_together(box: FakeBox, tmp_path: Path, size: int) -> None:
    whole = bytes(number % 251 for number in range(size))

    async def answer(params: dict[str, int], _: object) -> dict[str, object]:
        box.asked.append(("voicemail.read", params))
        piece = whole[params["offset"] : params["offset"] + 1000]
        return {"data": base64.b64encode(piece).decode(), "bytes": len(whole)}

    box.server.register(METHODS["voicemail.read"], answer)
    file = tmp_path / "a.wav"
    done = box.run("voicemail", "export", "m1", str(file))
    assert done.exit_code == 0, done.output
    assert file.read_bytes() == whole
    assert file.stat().st_mode & 0o777 == 0o600
    assert [params["offset"] for _, params in box.asked] == list(range(0, max(size, 1), 1000))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", "control.sock"]
    done = box.run("voicemail", "export", "m1", str(file))
    assert done.exit_code == 1
    assert "exists already" in done.output
    assert box.run("voicemail", "export", "m1", str(file), "--overwrite").exit_code == 0


def test_an_export_that_cannot_be_written_leaves_nothing(box: FakeBox, tmp_path: Path) -> None:
    box.answers["voicemail.read"] = {"data": "", "bytes": 0}
    done = box.run("voicemail", "export", "m1", str(tmp_path / "none" / "a.wav"))
    assert done.exit_code == 1
    assert "cannot be written" in done.output


@pytest.mark.parametrize(("word", "said"), [("heard", "is marked as heard"), ("delete", "is deleted")])
def test_marking_and_deleting(box: FakeBox, word: str, said: str) -> None:
    box.answers[f"voicemail.{word}"] = {"message": message()}
    assert box.run("voicemail", word, "m1").output == f"The message m1 of dana {said}.\n"
    assert box.asked == [(f"voicemail.{word}", {"id": "m1"})]
    assert json.loads(box.run("voicemail", word, "m1", "--json").output) == {"message": message()}


@pytest.mark.parametrize("words", [["export", "m9", "x.wav"], ["heard", "m9"], ["delete", "m9"]])
def test_a_message_that_is_not_there(box: FakeBox, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    box.answers[f"voicemail.{'read' if words[0] == 'export' else words[0]}"] = NotFound("There is no message m9", "list them")
    done = box.run("voicemail", *words)
    assert done.exit_code == 1
    assert "There is no message m9" in done.output
    assert not (tmp_path / "x.wav").exists()
