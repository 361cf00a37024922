"""The first hour, whole: a box nobody has set up, its console and its pages; two real phones that are told only what the pages show."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import sideways, violations
from tests.support.baresip import Baresip
from tests.support.box import Box
from tests.support.carrier import Carrier, answer, refuse
from tests.support.proc import wait_until
from tests.support.tone import PROOF, tone_fraction

PLACE = {
    "Name of the site": "Tidewater Clinic", "House number": "12", "Street": "Harbor", "Kind of street (optional)": "Street", "Town": "Portland",
    "State": "or", "ZIP code": "97205",
}  # fmt: skip
LINE = {"Provider": "Northwind", "User name (optional)": "tidewater", "Password of the line (optional)": "q7wkvzzm2pxd84hr", "Main number": "(503) 555-0142"}
MOBILE = "503 555 0177"


@pytest.fixture
def box(tmp_path, opened):
    """As `make run` starts it: no site file, nobody knows it."""
    return opened.enter_context(Box(tmp_path, supervised=True, env={"HOLDFAST_SITE": ""}))


def fill(page, values):
    for label, value in values.items():
        page.get_by_label(label, exact=True).fill(value)


def on(page, step):
    expect(page).to_have_url(re.compile(rf"/welcome/{step}(?:[?#].*)?$"))


def forward(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def typed_in(page, phone, name):
    """Register a phone with what stands beside `name`, and nothing else."""
    row = page.get_by_role("listitem").filter(has=page.get_by_role("link", name=name))
    expect(row).to_contain_text("Waiting until it signs in")
    secret = row.get_by_label(f"Password {name}")
    row.get_by_role("button", name=f"Show the password of {name}").click()
    expect(secret).not_to_have_value(re.compile("•"))
    values = [row.get_by_label(label, exact=True).input_value() for label in ("Server", "Port", "User name")]
    registered = phone.register(values[2], secret.input_value(), (values[0], int(values[1])))
    assert registered["type"] == "REGISTER_OK", registered
    expect(row).to_contain_text("Ready")


@pytest.mark.timeout(240)
def test_a_stranger_makes_a_small_office_work(box, page, opened, tmp_path):
    carrier = opened.enter_context(Carrier("127.0.0.2", accounts={"tidewater": "q7wkvzzm2pxd84hr"}))
    ada, ben = (opened.enter_context(Baresip(tmp_path / name, freq_hz=1000.0)) for name in ("ada", "ben"))
    address = box.program.wait_for_line(r"open in a browser +(https://\S+)", 60.0)[1]
    code = box.program.wait_for_line(r"claim code +([A-Z2-9]{4}-[A-Z2-9]{4})", 10.0)[1]

    page.goto(address)
    expect(page.get_by_role("heading", name="This box is new")).to_be_visible()
    fill(page, {"Claim code": code.lower(), "Your name": "Dana Whitcomb", "User name": "dana", "Password": "lighthouse keeper"})
    page.keyboard.press("Enter")

    # Place: nothing of the example is left; a mistake loses nothing.
    on(page, "place")
    expect(page.get_by_label("Name of the site")).to_be_focused()
    assert "Sample" not in page.locator("main").inner_html()
    fill(page, {**PLACE, "State": "Oregon"[:1]})
    page.keyboard.press("Enter")
    expect(page.get_by_label("State", exact=True)).to_be_focused()
    expect(page.locator("#f-civic-A1-e")).to_contain_text("Write 2 letters.")
    expect(page.get_by_label("Town", exact=True)).to_have_value("Portland")
    page.get_by_label("State", exact=True).fill("or")
    page.keyboard.press("Enter")

    on(page, "network")
    expect(page.get_by_text("127.0.0.1/8")).to_be_visible()
    forward(page, "Next: outside lines")

    # Outside lines: the wrong password first, then a test call that is heard.
    on(page, "lines")
    fill(page, {**LINE, "Carrier's server": carrier.ip, "Password of the line (optional)": "mistyped-secret-1"})
    page.get_by_text("More, where the provider says so").click()
    fill(page, {"Port": str(carrier.port)})
    asked = []
    page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    forward(page, "Skip for now")
    assert asked == ["What you typed here is not saved. Skip this step all the same?"]
    forward(page, "Save, then try it")
    expect(page.get_by_text("This line is not in force yet.")).to_be_visible()
    page.get_by_label("Which number shall ring?").fill("911")
    forward(page, "Apply and call")
    expect(page.locator("#to-e")).to_contain_text("911 is an emergency number")
    expect(page.get_by_label("Which number shall ring?")).to_have_value("911")
    assert not carrier.calls
    page.get_by_label("Which number shall ring?").fill(MOBILE)
    forward(page, "Call")
    expect(page.get_by_text("The provider refuses the user name or the password")).to_be_visible(timeout=30_000)
    fill(page, {"Password of the line (optional)": LINE["Password of the line (optional)"]})
    page.locator("#step").get_by_role("button", name="Save").click()
    carrier.plan = [refuse(486), answer()]
    page.get_by_label("Which number shall ring?").fill(MOBILE)
    forward(page, "Apply and call")
    expect(page.get_by_text("The line works: the number is busy.")).to_be_visible(timeout=30_000)
    forward(page, "Call")
    call = carrier.wait_call(1)
    assert call.invite.uri.startswith("sip:+15035550177@")
    assert "+15035550142" in call.invite.uri_of("from")
    expect(page.get_by_text("Answered: a sentence is said there")).to_be_visible()
    wait_until(lambda: call.rtp.heard() > 100, 15.0, "two seconds of the sentence")
    call.hangup()
    expect(page.get_by_text("The line works: it was answered, and sound came back.")).to_be_visible()
    forward(page, "Next: people and phones")

    # People and phones.
    on(page, "people")
    page.get_by_role("button", name="Take the examples out").click()
    expect(page.get_by_text("Nobody yet")).to_be_visible()
    for name in ("Ada Berg", "Ben Cole"):
        page.get_by_label("Name", exact=True).fill(name)
        page.keyboard.press("Enter")
        expect(page.get_by_role("link", name=name)).to_be_visible()
    expect(page.get_by_label("Extension", exact=True)).to_have_value("203")
    page.get_by_role("button", name="Make them ready").click()
    typed_in(page, ada, "Ada Berg")
    typed_in(page, ben, "Ben Cole")
    expect(page.get_by_text("2 of 2 phones ready")).to_be_visible()
    page.get_by_role("combobox", name="Who answers +15035550142?").select_option(label="201 Ada Berg")
    forward(page, "Let it ring there")
    expect(page.locator("#answers")).to_contain_text("201 Ada Berg")
    page.set_viewport_size({"width": 360, "height": 740})
    assert sideways(page) <= 0
    assert violations(page) == []
    page.set_viewport_size({"width": 1280, "height": 800})
    forward(page, "Next: emergency")

    on(page, "emergency")
    page.get_by_text("Add a room or a floor").click()
    fill(page, {"Name of the room": "Front desk", "Floor (optional)": "1"})
    forward(page, "Add room")
    page.get_by_label("201 Ada Berg").select_option(label="Front desk")
    forward(page, "Put them there")
    expect(page.get_by_label("201 Ada Berg")).to_have_value("front-desk")
    page.get_by_label("Northwind holds our address and number").check()
    page.locator("#armed").get_by_role("button", name="Save").click()
    expect(page.get_by_text(re.compile("12 Harbor Street.*Front desk.*Portland"))).to_be_visible()
    expect(page.get_by_text(re.compile(r"[0-9]+ cases tried"))).to_be_visible()
    forward(page, "Next: test calls")

    # Test calls: real calls tick the list.
    on(page, "tests")
    expect(page.get_by_text("2 of 2 phones have signed in")).to_be_visible()
    expect(page.get_by_text("One phone calls another")).to_be_visible()
    forward(page, "Apply now")
    expect(page.get_by_text("not in force yet")).to_have_count(0)
    assert ada.call(f"sip:202@{box.sip[0]}:{box.sip[1]}")["type"] == "CALL_ESTABLISHED"
    expect(page.get_by_text("One call now")).to_be_visible()
    wait_until(lambda: min(heard_bytes(ada), heard_bytes(ben)) > 48_000, 20.0, "three seconds heard at both ends")
    ada.hangup()
    for phone in (ada, ben):
        assert tone_fraction(phone.recording(), seconds=2) >= PROOF
    expect(page.get_by_text("201 called 202")).to_be_visible()
    expect(page.get_by_text("+15035550177 was reached outside")).to_be_visible()
    incoming = carrier.call(f"sip:+15035550142@{box.sip[0]}:{box.sip[1]}", box.sip, from_uri=f"sip:+15035550177@{carrier.ip}")
    incoming.wait_answer()
    incoming.hangup()
    expect(page.get_by_text("+15035550177 called")).to_be_visible()
    assert ada.call(f"sip:933@{box.sip[0]}:{box.sip[1]}")["type"] == "CALL_ESTABLISHED"
    ada.hangup()
    expect(page.get_by_text("933 was answered")).to_be_visible()
    forward(page, "Finish")

    expect(page).to_have_url(re.compile(r"/home/?$"))
    expect(page.get_by_text("Calls and 911 work.")).to_be_visible()
    expect(page.get_by_text("The first hour is over. Everything is in force.")).to_be_visible()
    assert page.get_by_role("link", name="First hour").count() == 0
    document = box.editor().show("").value
    assert document["locations"]["main"]["civic"] == {
        **dict.fromkeys(document["locations"]["main"]["civic"], ""), "country": "US", "HNO": "12", "RD": "Harbor", "STS": "Street", "A3": "Portland",
        "A1": "OR", "PC": "97205",
    }  # fmt: skip
    assert document["locations"]["front-desk"]["civic"]["LOC"] == "Front desk"
    assert document["main_number"] == "+15035550142"
    assert len(box.editor().pending()) == 0


def heard_bytes(phone):
    return sum(path.stat().st_size for path in phone.folder.glob("dump-*-dec.wav"))
