"""One office with a running engine, two voicemail boxes and messages in them, for the tests of this folder."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.sound import header
from tests.support.proc import wait_until
from tests.support.web import PASSWORD, Web, office

TONE = struct.pack("<8000h", *[3000, -3000] * 4000)


def leave(data: Path, box: str, id: str, seconds: int, caller: str = "+15035550188", name: str = "Zoë <b>") -> None:
    """A message as the engine keeps it, taken up at its next start."""
    folder = data / "voicemail" / box
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"caller": caller, "caller_name": name, "session": f"s-{id}", "started_unix_s": 1.79e9 + int(id[1:])}
    (folder / f"{id}.json").write_text(json.dumps(facts))
    (folder / f"{id}.wav").write_bytes(header(8000, 16_000 * seconds) + TONE * seconds)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """Users 201 and 202 may sign in; 201 has the box `one` with m1 (70 s: more than one piece) and m2, 202 the box `two` with m3."""
    site = office()
    site["users"]["user-202"]["password"] = PASSWORD
    site["mailboxes"] = {"one": {"name": "Box of 201", "owner": "user-201"}, "two": {"name": "Box of 202", "owner": "user-202", "extension": "602"}}
    with Web(tmp_path_factory.mktemp("web"), site, start=False) as made:
        for box, id, seconds in (("one", "m1", 70), ("one", "m2", 2), ("two", "m3", 3)):
            leave(made.data, box, id, seconds)
        made.box.start()
        made.start()
        wait_until(lambda: len(made.box.rpc("voicemail.list", mailbox="")["messages"]) == 3, 10.0, "the messages")
        yield made
