"""Calls begun, sent on and paged from the pages, with real phones; what is refused says why and loses nothing typed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.pjphone import PjPhone
from tests.support.proc import wait_until
from tests.support.sites import secret
from tests.support.web import INSTALLER, Visitor, Web, office

DIAL, PAGE, NOW = "/calls/dial", "/calls/page", "/calls/now"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    site = office(4)
    site["groups"] = {"hall": {"name": "Hall <b>", "users": ["user-202", "user-203", "user-204"]}}
    with Web(tmp_path_factory.mktemp("calls"), site, engine=True) as made:
        yield made


@pytest.fixture(scope="module")
def phones(web: Web, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, PjPhone]]:
    made = {number: PjPhone(tmp_path_factory.mktemp(f"p{number}"), answers=(180,) if number == 201 else (180, 200)) for number in (201, 202, 203)}
    for number, phone in made.items():
        assert phone.register(str(number), secret(number), web.box.sip).ok
    yield made
    for phone in made.values():
        phone.close()


@pytest.fixture(scope="module")
def visitor(web: Web) -> Visitor:
    made = Visitor(web)
    assert made.sign_in(INSTALLER).status == 303
    return made


def up(web: Web, visitor: Visitor) -> str:
    """The id of the call that is up, once the page knows it too."""
    (call,) = wait_until(lambda: [row["id"] for row in web.box.calls() if row["state"] == "up"], 10, "the call is up")
    wait_until(lambda: f"{NOW}/{call}/transfer" in visitor.get(NOW).text, 10, "the page shows it")
    return str(call)


def over(web: Web) -> None:
    wait_until(lambda: not web.box.calls(), 10, "the call is over")


@pytest.mark.timeout(90)
def test_my_phone_rings_first_and_a_party_is_sent_on(web: Web, visitor: Visitor, phones: dict[int, PjPhone]) -> None:
    page = visitor.get(DIAL)
    assert '<option value="201">201 User 201</option>' in page.text
    for to, said in (("911", "a person at a phone dials it"), ("", "Type an extension"), ("what?", "Type an extension")):
        refused = visitor.post(DIAL, {"extension": "201", "to": to})
        assert refused.status == 422
        assert said in refused.text
        assert f'value="{to}"' in refused.text, "what was typed is kept"
        assert '<option value="201" selected>' in refused.text
    assert "204 cannot be rung" in visitor.post(DIAL, {"extension": "204", "to": "202"}).text
    assert phones[201].no_call()

    assert visitor.post(DIAL, {"extension": "201", "to": "202 User 202"}).status == 303
    mine = phones[201].incoming().wait("EARLY").answer()
    second = phones[202].incoming().wait("CONFIRMED")
    call = up(web, visitor)
    at = f"{NOW}/{call}/transfer"
    for to, said in (("911", "a person at a phone dials it"), ("x y?", "Type an extension")):
        refused = visitor.post(at, {"who": "from", "to": to})
        assert refused.status == 422
        assert said in refused.text
    assert visitor.post(at, {"who": "to", "to": "203"}).status == 303
    third = phones[203].incoming().wait("CONFIRMED")
    mine.wait("DISCONNECTED")  # 202 was sent on; 201, in whose place it was done, is out
    assert second.state == "CONFIRMED"
    assert visitor.post(f"{NOW}/{call}", {}).status == 303
    for end in (second, third):
        end.wait("DISCONNECTED")
    over(web)
    wait_until(lambda: visitor.get(at).status == 303, 5, "it is over: back to the list")


@pytest.mark.timeout(90)
def test_phones_are_paged(web: Web, visitor: Visitor, phones: dict[int, PjPhone]) -> None:
    page = visitor.get(f"{PAGE}?group=hall")
    assert 'name="group" value="hall" checked' in page.text
    assert "Hall &lt;b&gt;" in page.text
    for form, said in (
        ({"what": "text", "text": "x"}, "Choose a group"), ({"what": "text", "group": "hall"}, "Type what shall be said"),
        ({"what": "text", "group": "hall", "text": "Kept <i>", "others": "999"}, "There is no extension and no group 999"),
        ({"what": "phone", "phone": "204", "group": "hall"}, "204 cannot be rung"),
    ):  # fmt: skip
        refused = visitor.post(PAGE, form)
        assert refused.status == 422
        assert said in refused.text
        for value in ("checked" if "group" in form else "", "Kept &lt;i&gt;" if "text" in form and len(form["text"]) > 1 else ""):
            assert value in refused.text
    assert "/calls/page?group=hall" in visitor.get("/people/groups/hall").text
    assert visitor.post(PAGE, {"what": "phone", "phone": "201", "group": "hall"}).status == 303
    mine = phones[201].incoming().answer()
    listens = [phones[number].incoming().wait("CONFIRMED") for number in (202, 203)]
    mine.hangup()
    for end in listens:
        end.wait("DISCONNECTED")
    over(web)


def test_a_user_of_the_portal_can_do_none_of_it(web: Web) -> None:
    somebody = Visitor(web)
    assert somebody.sign_in("user-201").status == 303
    for path in (DIAL, PAGE, NOW, f"{NOW}/x/transfer"):
        assert somebody.get(path).status == 403


def test_without_an_engine_nothing_typed_is_lost(tmp_path: Path) -> None:
    with Web(tmp_path, office()) as web:
        visitor = Visitor(web)
        visitor.sign_in()
        refused = visitor.post(DIAL, {"extension": "202", "to": "+1 (503) 555-0123"})
        assert refused.status == 422
        assert 'value="+1 (503) 555-0123"' in refused.text
        assert '<option value="202" selected>' in refused.text
