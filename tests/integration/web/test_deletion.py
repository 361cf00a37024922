"""Deleting does what its dialog says: who named the object names it no more, the result can be applied, and one Undo brings all of it back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.web import Visitor, Web, office


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """Everything that can name user 201, his phone, and a line."""
    site = office()
    site["devices"]["second"] = {"owner": "user-201", "sip_user": "second", "secret": "long enough 17", "extension": "231"}
    first = next(key for key, device in site["devices"].items() if device.get("owner") == "user-201")
    site["users"]["user-201"]["main_device"] = first
    site["groups"] = {"all": {"name": "All", "extension": "300", "users": ["user-202", "user-201"], "devices": [first, "second"]}}
    site["mailboxes"] = {"one": {"name": "Box of 201", "owner": "user-201"}}
    lines = [{"number": "+15035550166"}, {"user": "user-201"}, {"user": "user-203"}, {"user": "user-201", "delay_seconds": 9}]
    site["users"]["user-202"]["forwarding"] = {"no_answer": lines}
    site["trunks"] = {key: {"name": key, "host": "127.0.0.1"} for key in ("north", "south")}
    site["outbound"] = {"trunks": ["south", "north"]}
    with Web(tmp_path_factory.mktemp("deletion"), site) as web:
        yield web


@pytest.fixture
def dana(made: Web) -> Iterator[Visitor]:
    visitor = Visitor(made)
    visitor.sign_in()
    yield visitor
    if made.editor().pending():
        made.editor().discard()


def delete(dana: Visitor, page: str) -> str:
    """Press the button of the page's dialog; what Undo on the next page stands for."""
    dialog = dana.get(page).text.split('<dialog id="gone"', 1)[1]
    address, version = (re.search(pattern, dialog)[1] for pattern in (r'action="([^"]+)"', r'name="version" value="([0-9]+)"'))  # type: ignore[index]
    gone = dana.post(address, {"version": version}, page=page)
    assert gone.status == 303, gone.text
    found = re.search(r'name="undo" value="([^"]+)"', dana.get(gone.headers["location"]).text)
    assert found
    return found[1]


def document(web: Web) -> Any:
    return web.editor().show("").value


def first_of(web: Web) -> str:
    return str(document(web)["users"]["user-201"]["main_device"])


def test_a_user_leaves_phones_boxes_groups_and_forwarding_and_comes_back_whole(made: Web, dana: Visitor) -> None:
    before, first = document(made), first_of(made)
    dialog = dana.get("/people/users/user-201").text.split('<dialog id="gone"', 1)[1]
    assert "The 2 phones stay without an owner" in dialog
    assert "Voicemail stays, without an owner: Box of 201." in dialog
    undo = delete(dana, "/people/users/user-201")
    after = document(made)
    assert "user-201" not in after["users"]
    assert [after["devices"][key]["owner"] for key in (first, "second")] == [None, None]
    assert (after["devices"][first]["extension"], after["devices"]["second"]["extension"]) == ("204", "231")
    assert after["groups"]["all"]["users"] == ["user-202"]
    assert after["mailboxes"]["one"]["owner"] is None
    assert [line["number"] or line["user"] for line in after["users"]["user-202"]["forwarding"]["no_answer"]] == ["+15035550166", "user-203"]
    assert made.editor().check().problems == ()
    dana.post("/undo", {"undo": undo}, page="/people/")
    assert document(made) == before
    assert made.editor().pending() == ()


def test_a_phone_and_a_line_come_back_with_their_places(made: Web, dana: Visitor) -> None:
    before, first = document(made), first_of(made)
    undo = delete(dana, f"/phones/devices/{first}")
    after = document(made)
    assert (after["users"]["user-201"]["main_device"], after["groups"]["all"]["devices"]) == (None, ["second"])
    dana.post("/undo", {"undo": undo}, page="/phones/")
    assert document(made) == before
    undo = delete(dana, "/lines/trunks/south")
    assert document(made)["outbound"]["trunks"] == ["north"]
    dana.post("/undo", {"undo": undo}, page="/lines/")
    assert document(made) == before


def test_nothing_is_taken_back_by_halves(made: Web, dana: Visitor) -> None:
    undo = delete(dana, "/people/users/user-201")
    made.editor("ines").set("groups.all.name", "Everybody")
    between = document(made)
    done = dana.post("/undo", {"undo": undo}, page="/people/")
    assert "Somebody changed it since" in dana.get(done.headers["location"]).text
    assert document(made) == between
