"""The first hour without a browser: what is wrong, huge, foreign or hostile is told at its field and kept; steps are left, skipped and resumed."""

import contextlib
import json
import re
from html import unescape

import pytest

from appliance.errors import NotFound
from appliance.site.claim import claim_code
from tests.support.web import PASSWORD, Visitor, Web

SCRIPT = "<script>alert(1)</script>"
PLACE = {
    "name": "Tidewater Clinic", "country": "US", "time_zone": "America/Los_Angeles", "language": "en-us", "civic.HNO": "12", "civic.RD": "Harbor",
    "civic.STS": "Street", "civic.PRD": "", "civic.POD": "", "civic.A3": "Portland", "civic.A1": "OR", "civic.PC": "97205", "act": "next",
}  # fmt: skip
LINE = {
    "name": "Northwind", "host": "sip.northwind.example", "username": "", "secret": "", "main_number": "+15035550142", "port": "5060", "transport": "udp",
    "auth_username": "", "number_format": "e164", "advertised": "", "act": "stay",
}  # fmt: skip


@pytest.fixture(scope="module")
def new(tmp_path_factory):
    """A box that Dana has just claimed; no engine."""
    with Web(tmp_path_factory.mktemp("first")) as web:
        visitor = Visitor(web)
        code = visitor.get("/claim") and claim_code(web.data)
        form = {"code": code, "name": "Dana", "user": "dana", "password": PASSWORD}
        answer = visitor.post("/claim", form)
        assert (answer.status, answer.headers["location"]) == (303, "/welcome/")
        yield web


@pytest.fixture
def dana(new):
    """On a box as it was when it was claimed."""
    (new.data / "web" / "first-hour.json").write_text(json.dumps({"over": False, "steps": {}}))
    editor = new.editor()
    for change in editor.pending():
        if change.loc[0] != "administrators":
            with contextlib.suppress(NotFound):  # went with its object
                editor.discard([change.path])
    visitor = Visitor(new)
    visitor.sign_in()
    return visitor


def send(visitor, step, values):
    """A step's form as its page holds it, with `values` in it."""
    page = visitor.get(f"/welcome/{step}").text
    versions = dict(re.findall(r'name="(version:\w+)" value="([0-9]+)"', page))
    return visitor.post(f"/welcome/{step}", {**versions, **values})


def error(answer, field):
    """What is told at a field."""
    found = re.search(rf'id="f-{field.replace(".", "-")}-e">(.*?)</div></div>', answer.text, re.DOTALL)
    return unescape(re.sub(r"<[^>]+>", "", found[1])) if found else ""


def test_steps_are_left_skipped_and_resumed(new, dana):
    assert dana.get("/welcome/").headers["location"] == "/welcome/place"
    assert dana.post("/welcome/place/later", {}, "/welcome/place").headers["location"] == "/welcome/network"
    assert dana.post("/welcome/network/done", {}, "/welcome/network").headers["location"] == "/welcome/lines"
    other = Visitor(new)
    other.sign_in()
    assert other.get("/welcome/").headers["location"] == "/welcome/lines"
    page = other.get("/welcome/lines").text
    assert "left for later" in page
    assert re.search(r'class="done"><a href="/welcome/network">', page)
    for step in ("lines", "people", "emergency", "tests"):
        dana.post(f"/welcome/{step}/later", {}, f"/welcome/{step}")
    assert dana.get("/welcome/").headers["location"] == "/welcome/place"
    assert 'href="/welcome/"' in dana.get("/home/").text
    for step in ("nothing", "claim"):
        assert dana.post(f"/welcome/{step}/done", {}, "/welcome/place").status == 404
    (new.data / "web" / "first-hour.json").write_text("{damaged")
    assert dana.get("/welcome/").headers["location"] == "/welcome/place"


def test_the_place(new, dana):
    page = dana.get("/welcome/place").text
    assert "Sample" not in page
    for broken, field, words in (
        ({"name": ""}, "name", "Is empty"),
        ({"name": "Sample site"}, "name", "name of the example"),
        ({"name": "x" * 5000}, "name", "longer than 80"),
        ({"name": "bell\x07"}, "name", "control character"),
        ({"country": "XX"}, "country", "not known"),
        ({"civic.HNO": " "}, "civic.HNO", "This is missing"),
        ({"civic.RD": ""}, "civic.RD", "sends help there"),
        ({"civic.A1": "Oregon"}, "civic.A1", "Write 2 letters"),
        ({"civic.A1": "Öl"}, "civic.A1", "Write 2 letters"),
        ({"civic.PC": "9" * 500}, "civic.PC", "longer than 120"),
        ({"time_zone": "Mars/Olympus"}, "time_zone", ""),
        ({"language": "klingon!"}, "language", "fit"),
    ):
        answer = send(dana, "place", {**PLACE, **broken})
        if words:
            assert answer.status == 200, broken
            assert words in error(answer, field) or words in answer.text, (broken, error(answer, field))
            assert 'value="Portland"' in answer.text, "what was typed is kept"
    hostile = {**PLACE, "name": SCRIPT, "civic.RD": 'Hörn"><img src=x onerror=alert(1)>', "civic.A1": "or"}
    assert send(dana, "place", hostile).headers["location"] == "/welcome/network"
    again = dana.get("/welcome/place").text
    assert SCRIPT not in again
    assert "<img" not in again
    held = new.editor().show("").value
    assert (held["name"], held["locations"]["main"]["civic"]["RD"]) == (SCRIPT, hostile["civic.RD"])
    civic = {name: value for name, value in held["locations"]["main"]["civic"].items() if value}
    assert civic == {"country": "US", "HNO": "12", "RD": hostile["civic.RD"], "STS": "Street", "A3": "Portland", "A1": "OR", "PC": "97205"}


def test_another_country_asks_another_address_and_keeps_what_was_typed(new, dana):
    answer = send(dana, "place", {**PLACE, "country": "FR", "act": "country"})
    assert "Kind of street" not in answer.text
    assert "114, 191, 196" in answer.text
    assert 'value="Portland"' in answer.text
    assert "Europe/Paris" in answer.text
    french = {"name": "Clinique du Port", "country": "FR", "time_zone": "America/New_York", "language": "fr-fr", "civic.RD": "rue de la Paix", "civic.HNO": "",
              "civic.PC": "44000", "civic.A3": "Nantes", "civic.A1": "", "act": "next"}  # fmt: skip
    assert send(dana, "place", french).status == 303
    held = new.editor().show("").value
    assert (held["country"], held["time_zone"]) == ("FR", "Europe/Paris")
    assert {name: value for name, value in held["locations"]["main"]["civic"].items() if value} == {
        "country": "FR", "RD": "rue de la Paix", "PC": "44000", "A3": "Nantes",
    }  # fmt: skip


def test_the_line(new, dana):
    for broken, field, words in (
        ({"host": ""}, "host", ""),
        ({"host": "sip .example"}, "host", ""),
        ({"name": "n" * 200}, "name", "longer than 80"),
        ({"port": "70000"}, "port", ""),
        ({"port": "five"}, "port", "whole number"),
        ({"username": "harbour"}, "secret", "needs the carrier's password"),
        ({"username": "harbour", "secret": "short"}, "secret", "8"),
        ({"main_number": ""}, "main_number", "This is missing"),
        ({"main_number": "12"}, "main_number", ""),
        ({"advertised": "not an address"}, "advertised", ""),
    ):
        answer = send(dana, "lines", {**LINE, **broken})
        assert answer.status == 200, broken
        told = error(answer, field)
        assert told, broken
        assert words in told, (broken, told)
        assert 'value="udp" selected' in answer.text
        assert dict(new.editor().show("trunks").value) == {}, broken
    answer = send(dana, "lines", {**LINE, "name": SCRIPT, "username": "harbour", "secret": "q7wkvzzm2pxd84hr", "main_number": "(503) 555-0142"})
    assert answer.headers["location"] == "/welcome/lines#test"
    page = dana.get("/welcome/lines").text
    assert SCRIPT not in page
    assert "q7wkvzzm2pxd84hr" not in page
    assert "This line is not in force yet." in page
    assert new.editor().show("main_number").value == "+15035550142"
    # A test call without a number, and one without an engine, keep what was typed.
    assert "Write the number that shall ring" in dana.post("/welcome/lines/test", {"to": " "}, "/welcome/lines").text


def test_people(new, dana):
    for broken, field, words in (
        ({"name": ""}, "name", "Is empty"),
        ({"extension": ""}, "extension", ""),
        ({"extension": "1"}, "extension", ""),
        ({"extension": "12a"}, "extension", ""),
        ({"extension": "911"}, "extension", "911"),
        ({"extension": "1001"}, "extension", "belongs to Alex Morgan"),
    ):
        answer = send(dana, "people", {"form": "PersonForm", "name": "Åsa Öberg", "extension": "1010", **broken})
        assert answer.status == 200
        told = error(answer, field)
        assert told, broken
        assert words in told, (broken, told)
        if field == "extension":
            assert 'value="Åsa Öberg"' in answer.text
    assert send(dana, "people", {"form": "PersonForm", "name": "Åsa Öberg", "extension": "1010"}).status == 303
    assert new.editor().show("devices.asa-oberg").value["sip_user"] == "1010"
    assert 'value="1011"' in dana.get("/welcome/people").text
    dana.post("/welcome/people/examples", {}, "/welcome/people")
    assert list(new.editor().show("users").value) == ["asa-oberg"]
    assert list(new.editor().show("devices").value) == ["asa-oberg"]
    dana.post("/welcome/people/answers", {"extension": "9999"}, "/welcome/people")
    assert dict(new.editor().show("numbers").value) == {}


def test_emergency(new, dana):
    device = next(iter(new.editor().show("devices").value))
    dana.post("/welcome/emergency/rooms", {f"at:{device}": "no-such-room", f"was:{device}": "", "at:nobody": "main", "was:nobody": ""}, "/welcome/emergency")
    assert new.editor().show(f"devices.{device}.location").value in {None, "main"}
    answer = send(dana, "emergency", {"form": "RoomForm", "name": "", "civic.FLR": "2", "civic.ROOM": "x" * 500})
    assert "Is empty" in error(answer, "name")
    assert "longer than 120" in error(answer, "civic.ROOM")
    answer = send(dana, "emergency", {"form": "ToldPart", "security_extensions": "204\nnobody"})
    assert error(answer, "security_extensions")
    assert "204\nnobody" in answer.text
    assert "still that of the example" in answer.text


def test_a_session_that_ends_loses_nothing(new, dana):
    page = dana.get("/welcome/place")
    versions = dict(re.findall(r'name="(version:\w+)" value="([0-9]+)"', page.text))
    new.expire_sessions()
    answer = dana.ask("POST", "/welcome/place", {"csrf": page.csrf, **versions, **PLACE, "name": "Kept Clinic"})
    back = answer.headers["location"]
    signed = dana.post(back, {"user": "dana", "password": PASSWORD})
    again = dana.get(signed.headers["location"]).text
    assert 'value="Kept Clinic"' in again
    assert "You were signed out. What you typed is kept." in again


def test_two_installers_at_one_address_are_both_told(new, dana):
    page = dana.get("/welcome/place").text
    versions = dict(re.findall(r'name="(version:\w+)" value="([0-9]+)"', page))
    assert send(dana, "place", PLACE).status == 303
    late = dana.post("/welcome/place", {**versions, **PLACE, "civic.HNO": "14"}, "/welcome/place")
    assert "Somebody changed this while you had it open." in late.text
    assert new.editor().show("locations.main.civic.HNO").value == "12"
