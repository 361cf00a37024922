"""From carton to outage: a box nobody has set up, an installer's browser, desk phones that find their settings, a provider, and everything that then fails."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS
from tests.support.baresip import Baresip
from tests.support.carrier import Call
from tests.support.deskphone import SignIn
from tests.support.linphone import Linphone
from tests.support.net import Namespace, privileged
from tests.support.office import ACCOUNT, HOOK_PORT, HOOKS, MAIL, MAIL_PORT, MODEM_HZ, PROVIDER, Office, office
from tests.support.pjphone import PjPhone
from tests.support.proc import wait_until
from tests.support.tone import PROOF, longest_gap_ms, spoken_seconds, tone_fraction

pytestmark = pytest.mark.skipif(bool(privileged()), reason=privileged() or "-")
PLACE = {
    "Name of the site": "Tidewater Clinic", "House number": "12", "Street": "Harbor", "Kind of street": "Street", "Town": "Portland",
    "State": "OR", "ZIP code": "97205",
}  # fmt: skip
MAIN, MENU, MOBILE = "+15035550142", "+15035550150", "+15035550177"
PEOPLE = ("Ada Berg", "Ben Cole", "Cleo Dunn")
WAYS = ("pnp", "tftp", "http")
CIVIC = "{urn:ietf:params:xml:ns:pidf:geopriv10:civicAddr}"


@pytest.mark.timeout(420)
def test_the_first_hour(tmp_path: Path) -> None:
    with office(tmp_path) as there, browser(there.laptop, tmp_path) as page:
        hour = FirstHour(there, page, tmp_path)
        for name in ("claim", "wizard", "phones", "emergency", "call", "finish", "more", "incoming", "call_911", "outage", "mobile", "back", "killed"):
            begin = time.monotonic()
            try:
                getattr(hour, name)()
            except BaseException as error:
                page.screenshot(path=tmp_path / "page.png", full_page=True)
                error.add_note(f"In the part {name!r}, at {page.url}; {tmp_path}/page.png shows the page")
                raise
            print(f"{name}: {time.monotonic() - begin:.1f} s")
        hour.close()


@contextlib.contextmanager
def browser(ns: Namespace, folder: Path) -> Iterator[Page]:
    """A page of Chromium on the installer's laptop."""
    program = folder / "chromium"
    program.write_text(f'#!/bin/sh\nexec {" ".join(ns.argv(CHROMIUM))} "$@"\n', encoding="ascii")
    program.chmod(0o755)
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=str(program), args=list(FLAGS))
        try:
            context = made.new_context(ignore_https_errors=True, viewport={"width": 1280, "height": 900})
            context.set_default_timeout(20_000)
            yield context.new_page()
        finally:
            made.close()


class FirstHour:
    """Each method is a part, in their order; later ones use what the earlier have left."""

    def __init__(self, there: Office, page: Page, folder: Path) -> None:
        self.there, self.page, self.folder = there, page, folder
        self.box, self.carrier = there.box, there.carrier
        self.stack = contextlib.ExitStack()
        self.url = ""
        self.ada: Baresip
        self.ben: PjPhone
        self.cleo: Linphone

    def close(self) -> None:
        self.stack.close()

    # ---- the installer's hands -----------------------------------------------------------------------------------

    def fill(self, values: dict[str, str]) -> None:
        for label, value in values.items():
            self.page.get_by_label(re.compile(rf"^{re.escape(label)}(?: \(optional\))?$")).fill(value)

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def on(self, step: str) -> None:
        expect(self.page).to_have_url(re.compile(rf"/welcome/{step}(?:[?#].*)?$"))

    def go(self, path: str) -> None:
        self.page.goto(self.url + path)

    def sees(self, text: str | re.Pattern[str], timeout_s: float = 15.0) -> None:
        expect(self.page.get_by_text(text).first).to_be_visible(timeout=timeout_s * 1000)

    # ---- the parts -----------------------------------------------------------------------------------------------

    def claim(self) -> None:
        page = self.page
        program = self.box.program
        assert program is not None
        address = program.wait_for_line(rf"open in a browser +(https://{re.escape(self.there.net.box_lan)}:\S+)", 60.0)[1]
        self.url = address.rstrip("/")
        code = program.wait_for_line(r"claim code +([A-Z2-9]{4}-[A-Z2-9]{4})", 10.0)[1]
        page.goto(address)
        self.fill({"Claim code": code, "Your name": "Dana Whitcomb", "User name": "dana", "Password": "lighthouse keeper"})
        page.keyboard.press("Enter")
        self.on("place")

    def wizard(self) -> None:
        page, net = self.page, self.there.net
        self.fill(PLACE)
        page.keyboard.press("Enter")
        self.on("network")
        self.sees(f"{net.box_lan}/24")
        self.sees("Name service answers")
        self.press("Next: outside lines")
        self.on("lines")
        self.fill(
            {
                "Provider": "Northwind", "Carrier's server": PROVIDER, "User name": ACCOUNT[0], "Password of the line": ACCOUNT[1],
                "Main number": "(503) 555-0142",
            }
        )  # fmt: skip
        self.press("Save, then try it")
        page.get_by_label("Which number shall ring?").fill("503 555 0177")
        self.press("Apply and call")
        call = self.carrier.wait_call(0, 30.0)
        assert call.invite.uri.startswith(f"sip:{MOBILE}@")
        self.sees("Answered: a sentence is said there")
        wait_until(lambda: call.rtp.heard() > 100, 15.0, "two seconds of the sentence")
        call.hangup()
        self.sees("The line works: it was answered, and sound came back.")
        self.press("Next: people and phones")
        self.on("people")
        self.press("Take the examples out")
        for name in PEOPLE:
            page.get_by_label("Name", exact=True).fill(name)
            page.keyboard.press("Enter")
            expect(page.get_by_role("link", name=name)).to_be_visible()

    def phones(self) -> None:
        """They ask in their families' ways, get their owners in two clicks each, take their settings and sign in."""
        page, desks = self.page, self.there.desks
        self.there.wait_children()
        for desk, way in zip(desks, WAYS, strict=True):
            assert desk.start(way) is None, "nobody has let it in yet"
        self.sees("3 phones wait")
        for desk, name in zip(desks, PEOPLE, strict=True):
            mac = ":".join(desk.mac[at : at + 2] for at in range(0, 12, 2))
            waiting = page.get_by_role("listitem").filter(has_text=mac)
            waiting.get_by_label(f"Whose phone is {mac}?").select_option(label=f"{201 + PEOPLE.index(name)} {name}")
            waiting.get_by_role("button", name="Assign").click()
            expect(waiting).to_contain_text(f"{name}. May take its settings now")
        self.press("Make them ready")
        expect(page.get_by_role("button", name="Make them ready")).to_have_count(0, timeout=30_000)
        told = [desk.start(way) for desk, way in zip(desks, WAYS, strict=True)]
        assert all(told), [desk.asked for desk in desks]
        self.plug_in([each for each in told if each is not None])
        self.sees("3 of 3 phones ready")

    def plug_in(self, told: list[SignIn]) -> None:
        """What the phones have read is all that they sign in with; none of them renews it within this hour."""
        net = self.there.net
        at = [(net.phone_ip(index), net.phones[index]) for index in range(3)]
        self.ada = self.stack.enter_context(Baresip(self.folder / "ada", at[0][0], ns=at[0][1], freq_hz=700.0))
        self.ben = self.stack.enter_context(PjPhone(self.folder / "ben", at[1][0], ns=at[1][1], freq_hz=850.0, answers=(180,)))
        self.cleo = self.stack.enter_context(Linphone(self.folder / "cleo", at[2][0], ns=at[2][1], freq_hz=1200.0))
        one, two, three = told
        assert self.ada.register(one.user, one.password, one.proxy, domain=one.domain, expires_s=3600)["type"] == "REGISTER_OK"
        assert self.ben.register(two.user, two.password, two.proxy, domain=two.domain, expires_s=3600).ok
        assert self.cleo.register(three.user, three.password, three.proxy, domain=three.domain)

    def emergency(self) -> None:
        page = self.page
        page.get_by_role("combobox", name=f"Who answers {MAIN}?").select_option(label="201 Ada Berg")
        self.press("Let it ring there")
        self.press("Next: emergency")
        self.on("emergency")
        page.get_by_text("Add a room or a floor").click()
        self.fill({"Name of the room": "Front desk", "Floor": "1"})
        self.press("Add room")
        for name in PEOPLE:
            page.get_by_label(f"{201 + PEOPLE.index(name)} {name}").select_option(label="Front desk")
        self.press("Put them there")
        page.get_by_label("Northwind holds our address and number").check()
        page.locator("#armed").get_by_role("button", name="Save").click()
        self.sees(re.compile("12 Harbor Street.*Front desk.*Portland"))
        self.sees(re.compile(r"[0-9]+ cases tried"), 60.0)
        self.press("Next: test calls")
        self.on("tests")
        self.press("Apply now")
        expect(page.get_by_text("not in force yet")).to_have_count(0, timeout=30_000)

    def call(self) -> None:
        self.talk_ada_ben()
        self.sees("201 called 202")

    def talk_ada_ben(self) -> None:
        """Ada dials Ben, who takes the call; each hears the other's tone."""
        self.ada.dial("202")
        rung = self.ben.incoming()
        rung.answer().wait_heard(150)
        self.ada.hangup()
        rung.wait("DISCONNECTED")
        assert tone_fraction(self.ada.recording(), 850.0, 2) >= PROOF
        assert tone_fraction(rung.recording, 700.0, 2) >= PROOF

    def finish(self) -> None:
        assert self.ada.call("933")["type"] == "CALL_ESTABLISHED"
        self.ada.hangup()
        self.sees("933 was answered")
        self.press("Finish")
        self.sees("Calls and 911 work.")

    def more(self) -> None:
        """The engineer adds a second way out, people outside who are told, and a menu that ends in a voicemail box."""
        editor = self.box.editor("engineer")
        editor.set("trunks.street", {"name": "Street line", "host": self.there.gateway_ip, "emergency_armed": True, "health_seconds": 0})
        editor.set("wan.trust_seconds", 3)
        mail = {"host": MAIL, "port": MAIL_PORT, "sender": "box@tidewater.example", "to": ["dana@tidewater.example"], "username": "box"}
        editor.set("alerts", {"mail": mail, "webhook": {"url": f"http://{HOOKS}:{HOOK_PORT}/box"}})
        editor.set("alerts.mail.password", "good password")
        editor.set("mailboxes.reception", {"name": "Reception"})
        ring = {"no-answer": "box", "busy": "box", "failed": "box"}
        menu = {
            "menu": {
                "type": "prompt", "settings": {"text": "Welcome. Press 1 for sales, 2 for service.", "choices": ["1", "2"]},
                "exits": {"1": "sales", "2": "service", "timeout": "sales", "invalid": "sales"},
            },
            "sales": {"type": "dial", "settings": {"targets": [{"user": "ada-berg"}]}, "exits": ring},
            "service": {"type": "dial", "settings": {"targets": [{"user": "ben-cole"}]}, "exits": ring},
            "box": {"type": "voicemail", "settings": {"mailbox": "reception"}},
        }  # fmt: skip
        editor.set("flows.main", {"name": "Main number", "start": "menu", "steps": menu})
        # Not the main number: whoever dialled 933 is called back at it for an hour.
        editor.set("numbers.menu", {"number": MENU, "destination": {"kind": "flow", "target": "main"}})
        editor.commit("a second line, alerts, a menu")
        self.box.activate()

    def incoming(self) -> None:
        """A caller from outside hears the menu, chooses Ben, who declines, and leaves a message."""
        call = self.there.calls_in(MENU, MOBILE)
        call.wait_answer()
        wait_until(lambda: call.rtp.heard() > 100, 15.0, "two seconds of the menu")
        call.rtp.send_digits("2")
        self.ben.incoming().hangup(486)
        message = self.box.data / "voicemail" / "reception"
        wait_until(lambda: sum(part.stat().st_size for part in message.glob("*.part")) > 64_000, 30.0, "four seconds of a message")
        call.hangup()
        assert spoken_seconds(call.record(self.folder / "menu.wav")) > 2
        (found,) = wait_until(lambda: self.box.rpc("voicemail.list", mailbox="reception")["messages"], 10.0, "the message")
        kept = self.folder / "message.wav"
        self.box.cli("voicemail", "export", found["id"], str(kept))
        assert tone_fraction(kept, 1000.0, 3) >= PROOF

    def call_911(self) -> None:
        """It reaches the provider with the room and the number that calls back; everybody who should know is told."""
        page = self.page
        self.go("/home/")
        expect(page.locator("html")).to_have_attribute("data-stream", "on")
        told = len(self.there.hook.taken)
        index = len(self.carrier.calls)
        assert self.ada.call("911")["type"] == "CALL_ESTABLISHED"
        call = self.carrier.wait_call(index)
        complete(call)
        expect(page.locator(".alarm.a911")).to_contain_text("911 from Front desk")
        wait_until(lambda: call.rtp.heard() > 150, 15.0, "three seconds heard at the provider")
        self.ada.hangup()
        call.wait("BYE")
        assert tone_fraction(call.record(self.folder / "911.wav"), 700.0, 2) >= PROOF
        assert tone_fraction(self.ada.recording(), 1000.0, 2) >= PROOF
        wait_until(lambda: len(self.there.hook.taken) > told, 20.0, "word of the call outside")
        assert [each["kind"] for each in self.told_outside()[told:]] == ["emergency"]

    def told_outside(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.there.hook.taken]

    def outage(self) -> None:
        """The cable to the outside is pulled while two calls are up."""
        net, there = self.there.net, self.there
        self.ada.dial("202")
        rung = self.ben.incoming()
        rung.answer().wait_heard(50)
        assert self.cleo.call(self.box.uri("5035550177")), self.cleo.program.tail(10)
        net.cut_wan()
        vitals = self.page.get_by_role("navigation", name="Vital signs")
        expect(vitals).to_contain_text("Internet down")
        before = rung.stats()["rx"]
        rung.wait_heard(before + 150)
        self.cleo.hangup()
        self.ada.hangup()
        assert 0 <= longest_gap_ms(self.ada.recording(), 850.0) < 500
        assert 0 <= longest_gap_ms(rung.wait("DISCONNECTED").recording, 700.0) < 500
        # Calls inside are made as ever.
        before = len(self.ada.events)
        inside = self.ben.call(self.box.uri("201")).wait("CONFIRMED").wait_heard(150)
        inside.hangup()
        self.ada.wait_event("CALL_CLOSED", start=before)
        assert tone_fraction(inside.recording, 700.0, 2) >= PROOF
        # 911 takes the way that is left.
        index = len(there.gateway.calls)
        assert self.ada.call("911")["type"] == "CALL_ESTABLISHED"
        call = there.gateway.wait_call(index)
        complete(call)
        wait_until(lambda: call.rtp.heard() > 150, 15.0, "three seconds heard behind the gateway")
        self.ada.hangup()
        call.wait("BYE")
        assert tone_fraction(call.record(self.folder / "911-gateway.wav"), 700.0, 2) >= PROOF
        assert tone_fraction(self.ada.recording(), 600.0, 2) >= PROOF
        wait_until(lambda: self.box.rpc("alerts")["waiting"] >= 2, 10.0, "mail and webhook of the call in the outbox")

    def mobile(self) -> None:
        """The gateway dies as well: 911 goes over the modem."""
        modem = self.there.modem
        self.there.gateway.alive = False
        call = self.ben.call(self.box.uri("911")).wait("CONFIRMED", 40.0)
        assert modem.call is not None
        assert modem.call.number == "911"
        call.wait_heard(200)
        call.hangup()
        assert tone_fraction(call.recording, MODEM_HZ, 1) >= PROOF
        assert tone_fraction(modem.recording(self.folder / "911-modem.wav"), 850.0, 1) >= PROOF
        wait_until(lambda: modem.call is None, 10.0, "the modem idle")

    def back(self) -> None:
        """The cable is in again: what waited gets there, once."""
        self.there.net.restore_wan()
        expect(self.page.get_by_role("navigation", name="Vital signs")).to_contain_text("Internet up", timeout=40_000)
        wait_until(lambda: self.box.rpc("alerts")["waiting"] == 0, 60.0, "an empty outbox")
        told = self.told_outside()
        assert len({each["id"] for each in told}) == len(told), "nothing is told twice"
        assert sum(each["kind"] == "emergency" for each in told) == 3, told
        subjects = [str(message["Subject"]) for message in self.there.mail.messages]
        assert sum("Emergency call to 911" in subject for subject in subjects) == 3, subjects

    def killed(self) -> None:
        """The engine dies and is back; phones ring that have not signed in since."""
        before = len(self.ada.events)
        self.box.wait_back(other_than=self.box.kill9())
        call = self.ben.call(self.box.uri("201")).wait("CONFIRMED").wait_heard(100)
        call.hangup()
        assert tone_fraction(call.recording, 700.0, 1) >= PROOF
        assert not [event for event in self.ada.events[before:] if event["type"].startswith("REGISTER")]
        wait_until(lambda: self.box.status()["trunks"][0]["state"] == "up", 40.0, "the provider's line up")
        come = self.there.calls_in(MENU, MOBILE)
        come.wait_answer()
        wait_until(lambda: come.rtp.heard() > 50, 15.0, "the menu")
        start = len(self.ada.events)
        come.rtp.send_digits("1")
        self.ada.wait_event("CALL_ESTABLISHED", 20.0, start=start)
        come.hangup()
        assert not self.box.said("Traceback")


def complete(call: Call) -> None:
    """Everything a dispatcher needs is in the INVITE."""
    invite = call.invite
    assert invite.uri.startswith("sip:911@"), invite.start
    assert MAIN in invite.uri_of("from"), invite.header("from")
    body = invite.part("application/pidf+xml")
    assert body is not None, "no location"
    place = {element.tag.removeprefix(CIVIC): element.text for element in ElementTree.fromstring(body).iter() if element.tag.startswith(CIVIC)}
    wanted = {"HNO": "12", "RD": "Harbor", "STS": "Street", "A3": "Portland", "A1": "OR", "PC": "97205", "FLR": "1", "LOC": "Front desk"}
    assert {key: place.get(key) for key in wanted} == wanted
