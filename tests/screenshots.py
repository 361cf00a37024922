"""Pictures of every page, for people to look at: `make screenshots` puts them into build/screenshots (or the folder named).

Every page of every area that can be opened without more than the office's own objects, at three widths, some in dark; and the pages before signing in.
The office is alive: phones register, call each other and the outside, leave a message. `README` as the folder takes the README's pictures alone.
"""

from __future__ import annotations

import contextlib
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS, sideways, sign_in
from tests.support.carrier import Carrier
from tests.support.everypage import pages
from tests.support.pjphone import PjPhone
from tests.support.proc import wait_until
from tests.support.sites import Document, add_trunk, secret
from tests.support.web import Web, office

WIDTHS = {360: 740, 768: 1024, 1280: 800}
DARK = re.compile(r"^/(home|people|apply|account|emergency|flows)/?$")


def shoot(page: Page, folder: Path, name: str) -> None:
    for width, height in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(150)  # words of the event stream
        page.screenshot(path=folder / f"{name}-{width}.png", full_page=width == 360)
        if over := sideways(page):
            print(f"{name} is {over} px too wide at {width}")


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as scratch:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        with Web(Path(scratch)) as new:
            page = _page(browser)
            page.goto(new.url("/claim"))
            shoot(page, folder, "claim")
        with _office(Path(scratch)) as (web, call):
            for scheme in ("light", "dark"):
                page = _page(browser, scheme)
                page.goto(web.url("/sign-in"))
                if scheme == "light":
                    shoot(page, folder, "sign-in")
                sign_in(page, web)
                for path in (*pages(web), f"/calls/log/{call}"):
                    if scheme == "light" or DARK.match(path):
                        _open(page, web, path)
                        name = re.sub(r"\W+", "-", path.replace(call, "one")).strip("-") or "home"
                        shoot(page, folder, name + ("-dark" if scheme == "dark" else ""))
        browser.close()


PICTURES = {"home": "/home/", "phones": "/phones/", "flow": "/flows/flow/menu", "emergency": "/emergency/", "call": "", "week": "/flows/schedules/office"}
"""File -> page of the README's pictures; the call is the one that was made."""


def readme(folder: Path) -> None:
    """The README's pictures: small enough to be kept in the repository."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as scratch, _office(Path(scratch)) as (web, call):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        page = _page(browser)
        page.set_viewport_size({"width": 1200, "height": 750})
        sign_in(page, web)
        for name, path in PICTURES.items():
            _open(page, web, path or f"/calls/log/{call}")
            page.wait_for_timeout(600)
            page.screenshot(path=folder / f"{name}.jpg", type="jpeg", quality=60)
        browser.close()


def _open(page: Page, web: Web, path: str) -> None:
    page.goto(web.url(path))
    page.locator("[data-load]").wait_for(state="detached")
    page.locator(".canvas > .wait").wait_for(state="detached")


@contextlib.contextmanager
def _office(folder: Path) -> Iterator[tuple[Web, str]]:
    """A clinic at work; (the web, the id of a call that is over)."""
    with contextlib.ExitStack() as stack:
        line = stack.enter_context(Carrier("127.0.0.7"))
        web = stack.enter_context(Web(folder, _clinic(line), engine=True))
        phones = {user: stack.enter_context(PjPhone(folder / user)) for user in ("201", "202", "203", "204")}
        for user, phone in phones.items():
            assert phone.register(user, secret(user), web.box.sip).ok
        for mac, family, model in (("805ec04a2019", "yealink", "yealink-t33g"), ("00041326e210", "snom", "snom-d785")):
            asked = {"ip": "192.168.20.57", "local_ip": "192.168.20.1", "port": 8081, "firmware": "124.86", "protocol": "http", "agree": True, "event": ""}
            web.box.rpc("phones.first", **asked, mac=mac, family=family, model=model, written=model)
        talk = phones["201"].call(web.box.uri("202")).wait("CONFIRMED")
        talk.wait_heard(400)
        talk.hangup()
        phones["203"].call(web.box.uri("+15035550166")).wait("CONFIRMED").wait_heard(100)
        phones["204"].call(web.box.uri("299")).wait("DISCONNECTED")
        wait_until(lambda: web.box.rpc("calls.history", limit=9)["calls"], 10, "the record")
        call = next(row["id"] for row in web.box.rpc("calls.history", limit=9)["calls"] if row["to_number"] == "202")
        _fill(web)
        yield web, call


PEOPLE = ("Dana Whitcomb", "Luis Ortega", "Priya Raman", "Zoë Lindqvist", "Henrik Sjöberg", "Giulia Conti", "Noor Haddad", "Tom Okafor")


def _clinic(line: Carrier) -> Document:
    site = office(len(PEOPLE))
    for index, name in enumerate(PEOPLE):
        site["users"][f"user-{201 + index}"]["name"] = name
    for key, name in (("main", "Reception"), ("annex", "Exam rooms")):
        site["locations"][key]["name"] = name
    add_trunk(site, "harbor", "127.0.0.7", line.port, emergency_armed=True)
    site["trunks"]["harbor"]["name"] = "Harbor Telecom"
    site["mailboxes"] = {"desk": {"name": "Front desk", "owner": "user-201", "extension": "601"}}
    site["groups"] = {"nurses": {"name": "Nurses", "extension": "280", "users": ["user-202", "user-203", "user-204"]}}
    weekdays = ["mon", "tue", "wed", "thu", "fri"]
    hours = [{"days": weekdays, "start": start, "end": end} for start, end in (("08:00", "12:30"), ("13:30", "18:00"))]
    site["schedules"] = {"office": {"name": "Office hours", "periods": hours, "holidays": [{"day": "12-25", "name": "Christmas Day"}]}}
    site["flows"] = {
        "menu": {
            "name": "Main menu",
            "start": "hours",
            "steps": {
                "hours": {"type": "schedule", "settings": {"schedule": "office"}, "exits": {"open": "ask", "closed": "box", "holiday": "box"}},
                "ask": {
                    "type": "prompt",
                    "settings": {"text": "For appointments press 1, for the nurses press 2.", "choices": ["1", "2"]},
                    "exits": {"1": "desk", "2": "nurses", "timeout": "desk"},
                },
                "desk": {"type": "dial", "settings": {"targets": [{"user": "user-201"}]}, "exits": {"no-answer": "box", "busy": "box", "failed": "box"}},
                "nurses": {"type": "dial", "settings": {"targets": [{"group": "nurses"}]}, "exits": {"no-answer": "box", "busy": "box", "failed": "box"}},
                "box": {"type": "voicemail", "settings": {"mailbox": "desk"}},
            },
        }
    }
    site["numbers"] = {"main": {"number": "+12025550100", "destination": {"kind": "flow", "target": "menu"}}}
    return site


def _page(browser: Browser, scheme: str = "light") -> Page:
    page = browser.new_context(ignore_https_errors=True, color_scheme="dark" if scheme == "dark" else "light").new_page()
    page.set_default_timeout(30_000)
    return page


def _fill(web: Web) -> None:
    """Something to look at: changes not applied."""
    editor = web.editor("dana")
    editor.set("users.user-203.ring_seconds", 25)
    editor.set("users.ines-abreu", {"name": "Ines Abreu", "extension": "233", "mobile": "+15035550133"})


if __name__ == "__main__":
    if sys.argv[1:] == ["README"]:
        readme(Path("webui/pictures"))
    else:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/screenshots"))
