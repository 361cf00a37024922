"""A user's own pages: his messages, forwarding, calls, PIN; what is another's is none, and what others have pending stays pending."""

from __future__ import annotations

import re

import pytest

from tests.support.web import PASSWORD, Visitor, Web
from webui.accounts import Accounts
from webui.place import Place

STEPS = {"forwarding.no_answer:who": "203", "forwarding.no_answer:delay": "5", "forwarding.no_answer:ring": "20", "forwarding.voicemail": "on"}


@pytest.fixture(scope="module")
def one(web: Web) -> Visitor:
    return signed_in(web, "201")


def signed_in(web: Web, name: str, password: str = PASSWORD) -> Visitor:
    visitor = Visitor(web)
    assert visitor.sign_in(name, password).status == 303, name
    return visitor


def version(page: str) -> str:
    found = re.search(r'name="version" value="([0-9]+)"', page)
    assert found
    return found[1]


@pytest.mark.row("A10")
def test_people_sign_in_by_extension_number_and_e_mail(web: Web) -> None:
    site = web.editor().show("").value
    site["users"]["user-201"] |= {"outbound_number": "+15035550166", "email": "one@tidewater.example"}
    site["users"]["user-202"]["email"] = "two@tidewater.example"
    site["numbers"] = {"two": {"number": "+15035550177", "destination": {"kind": "extension", "target": "202"}}}
    web.editor().replace(site)
    web.editor().commit("numbers")
    web.box.rpc("site.activate")
    accounts = Accounts(Place(web.data))
    for name, key in (("201", "user-201"), ("+1 (503) 555-0166", "user-201"), ("15035550166", "user-201"), ("one@tidewater.example", "user-201"),
                      ("+15035550177", "user-202"), ("USER-202", "user-202")):  # fmt: skip
        found = accounts.check(name, PASSWORD)
        assert (found.key if found else None) == key, name
    for name in ("203", "299", "2", "+", "٢٠١", "201 202", "503"):
        assert accounts.check(name, PASSWORD) is None, name


def test_a_user_is_at_home_in_his_pages_and_sees_no_other(web: Web, one: Visitor) -> None:
    front = one.get("/")
    assert front.headers.get("location") == "/me/", (front.status, front.text)
    page = one.get("/me/").text
    assert "m1.wav" in page
    assert "m3.wav" not in page
    navigation = page.split("<nav", 2)[1].split("</nav>")[0]
    assert set(re.findall(r'href="([^"#]+)"', navigation)) == {"/me/", "/more"}
    assert "Review" not in page
    assert one.get("/people/").status == 403
    assert one.get("/apply").status == 403
    for staff in ("dana", "ines"):
        visitor = signed_in(web, staff)
        assert visitor.get("/me/").status == 403
        assert "These pages belong to users" in visitor.get("/me/").text
        assert 'href="/me/"' not in visitor.get("/people/").text


def test_no_address_leads_to_what_is_anothers(web: Web, one: Visitor) -> None:
    two = signed_in(web, "202")
    assert two.get("/me/voicemail/two/messages/m3.wav").status == 200
    theirs = "/me/voicemail/two"
    for path in (theirs, f"{theirs}/messages/m3.wav", "/me/voicemail/one/messages/m3.wav", f"{theirs}/messages/m3/delete", f"{theirs}/greeting.wav",
                 "/me/?box=two", "/flows/mailboxes/two/messages/m3.wav", "/flows/mailboxes/one/messages/m1.wav"):  # fmt: skip
        answer = one.get(path)
        assert answer.status in ({200} if "?" in path else {403, 404}), path
        assert "m3.wav" not in answer.text and "Box of 202" not in answer.text, path
    for path in (f"{theirs}/messages/m3/mark", "/me/voicemail/one/messages/m3/mark", f"{theirs}/messages/m3/delete", f"{theirs}/greeting",
                 f"{theirs}/greeting/remove", f"{theirs}/pin"):  # fmt: skip
        assert one.post(path, {"to": "heard", "pin": "7294"}, page="/me/").status == 404, path
    assert web.box.rpc("voicemail.list", mailbox="two")["messages"][0]["heard_unix_s"] is None
    # Live words: those of his own phones, whatever groups he asks for.
    words = one.get("/live?g=me.phones&g=phones.state&g=flows.messages&g=bar").text
    mine = [key for key, device in web.editor().show("devices").value.items() if device["owner"] == "user-201"]
    assert set(re.findall(r'"([^":]+:[^"]+)":', words)) == {f"me.phones:{key}" for key in mine}


def test_own_messages_are_heard_and_deleted(web: Web, one: Visitor) -> None:
    assert one.post("/me/voicemail/one/messages/m2/mark", {"to": "heard"}, page="/me/").headers["location"] == "/me/voicemail/one"
    assert one.post("/me/voicemail/one/messages/m2/delete", {}, page="/me/voicemail/one/messages/m2/delete").status == 303
    assert [row["id"] for row in web.box.rpc("voicemail.list", mailbox="one")["messages"]] == ["m1"]


@pytest.mark.row("A5")
def test_forwarding_is_in_force_when_it_is_saved_and_takes_nothing_pending_along(web: Web, one: Visitor) -> None:
    ines = web.editor("ines")
    ines.set("users.user-203.name", "Priya Raman")
    ines.set("users.user-203.password", "a new one 4711")
    pending = [change.path for change in ines.pending()]
    number = web.editor().history()[0].number
    saved = one.post("/me/forwarding", {"form": "OwnForwarding", "version": version(one.get("/me/forwarding").text), **STEPS})
    assert (saved.status, saved.headers.get("location")) == (303, "/me/forwarding"), saved.text
    assert "forwarded like this from now on" in one.get("/me/forwarding").text
    latest = web.editor().history()[0]
    assert (latest.number, latest.author, latest.comment) == (number + 1, "User 201 (user-201)", "own forwarding")
    assert web.box.status()["revision"] == latest.number
    assert [change.path for change in web.editor().diff(number, latest.number)] == ["users.user-201.forwarding.no_answer"]
    assert [change.path for change in ines.pending()] == pending, "what others have pending stays, and the change does not show as one back"
    assert Accounts(Place(web.data)).check("user-203", "a new one 4711") is None, "staged passwords stay staged"
    ines.discard()


def test_what_an_administrator_has_pending_there_stays_his(web: Web, one: Visitor) -> None:
    web.editor("ines").set("users.user-201.forwarding.follow_me_on", True)
    page = one.get("/me/forwarding").text
    assert "Follow me is on." not in page, "it is not in force"
    assert one.post("/me/forwarding", {"form": "OwnForwarding", "version": version(page), "forwarding.voicemail": "on"}).status == 303
    assert web.editor().show("users.user-201.forwarding.follow_me_on").value is True
    assert "users.user-201.forwarding.follow_me_on" in [change.path for change in web.editor().pending()]
    web.editor().discard()


def test_mistakes_keep_what_was_typed(web: Web, one: Visitor) -> None:
    before = web.editor().history()[0].number
    now = version(one.get("/me/forwarding").text)
    for who, words in (("Nobody of that name", "nobody here is called"), ("911", "emergency number"), ("201", "whose calls are forwarded")):
        refused = one.post("/me/forwarding", {"form": "OwnForwarding", "version": now, **STEPS, "forwarding.no_answer:who": who})
        assert (refused.status, words in refused.text) == (200, True), (who, refused.text)
        assert f'value="{who}"' in refused.text or who == "201"
    stale = one.post("/me/forwarding", {"form": "OwnForwarding", "version": "17", **STEPS})
    assert "while you had it open" in stale.text
    assert web.editor().history()[0].number == before


def test_a_trial_of_somebody_else_is_neither_confirmed_nor_mixed_with_it(web: Web, one: Visitor) -> None:
    editor = web.editor("dana")
    editor.set("users.user-203.ring_seconds", 25)
    editor.commit("try", 5)
    refused = one.post("/me/forwarding", {"form": "OwnForwarding", "version": version(one.get("/me/forwarding").text), **STEPS})
    assert "is being tried out" in refused.text
    assert editor.waiting() is not None
    editor.undo()
    editor.discard()


def test_own_calls(web: Web, one: Visitor) -> None:
    page = one.get("/me/calls")
    assert (page.status, "No calls yet" in page.text) == (200, True)
    assert "No call matches" in one.get("/me/calls?q=zzz").text
    assert one.get("/me/calls?user=user-202&before=x").status == 200


def test_a_pin_counts_at_once(web: Web, one: Visitor) -> None:
    assert "4 to 10 digits" in one.post("/me/voicemail/one/pin", {"pin": "12"}, page="/me/phones").text
    assert "among the first" in one.post("/me/voicemail/one/pin", {"pin": "1234"}, page="/me/phones").text
    assert one.post("/me/voicemail/one/pin", {"pin": "7294"}, page="/me/phones").status == 303
    assert web.cli("secret", "reveal", "mailboxes.one.pin").strip().endswith("7294")
    assert web.editor().pending() == ()


def test_password_set_by_the_administrator_and_changed_by_its_owner(web: Web) -> None:
    dana = signed_in(web, "dana")
    page = dana.get("/people/users/user-203").text
    fields = dict(re.findall(r'<input class="in" id="[^"]+" name="([^"]+)" type="[a-z]+" value="([^"]*)"', page))
    form = {
        **fields,
        "enabled": "on",
        "call_waiting": "on",
        "ring_seconds": "30",
        "mode": "sip_phone",
        "flow": "house",
        "version": version(page),
        "password": "a harbour at night",
    }
    assert dana.post("/people/users/user-203", form).status == 303
    web.editor("dana").commit("password")
    three = signed_in(web, "203", "a harbour at night")
    assert "You have no voicemail box" in three.get("/me/").text
    assert three.post("/account/password", {"old": "a harbour at night", "new": "two harbours at night"}, page="/account").status == 303
    signed_in(web, "203", "two harbours at night")
    refused = Visitor(web).sign_in("203", "a harbour at night")
    assert refused.status == 422
