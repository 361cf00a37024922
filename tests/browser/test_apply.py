"""From a change to what is in force, with the real engine; live words; an engine that goes away and comes back."""

import json
import threading

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import sign_in
from tests.support.proc import wait_until
from tests.support.web import DANA, Visitor, office


@pytest.fixture
def live_web(make_web):
    return make_web(office(), engine=True)


@pytest.mark.row("A1")
@pytest.mark.row("Z5")
def test_apply_on_trial_and_keep(live_web, page):
    web = live_web
    sign_in(page, web)
    page.goto(web.url("/people/users/user-202"))
    page.locator("#f-name").fill("Priya Raman")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("region", name="Changes not applied").get_by_role("link", name="Review").click()
    expect(page.get_by_text("User 202 → Priya Raman")).to_be_visible()
    expect(page.get_by_text("Nothing points to something missing")).to_be_visible()
    page.get_by_label("Why").fill("She married")
    page.get_by_role("button", name="Apply 1 change").click()
    trial = page.get_by_role("region", name="Revision on trial")
    expect(trial).to_contain_text("Revision 2 is on trial")
    expect(trial.get_by_role("timer")).to_contain_text("4:")
    expect(page.get_by_text("Revision 2 is in force.")).to_be_visible()
    assert web.box.status()["revision"] == 2
    trial.get_by_role("button", name="Keep it").click()
    expect(trial).to_have_count(0)
    expect(page.get_by_text("Revision 2 is kept.")).to_be_visible()
    newest = web.editor().history()[0]
    assert (newest.number, newest.author, newest.comment) == (2, f"Dana Whitcomb ({DANA})", "She married")
    assert web.editor().waiting() is None


def test_undo_now_brings_the_changes_back_as_pending(live_web, page):
    web = live_web
    sign_in(page, web)
    web.editor().set("users.user-202.name", "Priya Raman")
    page.goto(web.url("/apply"))
    page.get_by_role("button", name="Apply 1 change").click()
    page.get_by_role("region", name="Revision on trial").get_by_role("button", name="Undo now").click()
    expect(page.get_by_text("It is undone.")).to_be_visible()
    expect(page.get_by_role("region", name="Changes not applied")).to_contain_text("1 change not applied")
    wait_until(lambda: web.box.status()["revision"] == 3, 10.0, "the engine on the revision before")


def test_what_is_wrong_is_not_applied(live_web, page):
    web = live_web
    sign_in(page, web)
    web.editor().set("users.user-202.extension", "203")
    page.goto(web.url("/apply"))
    expect(page.get_by_text("1 thing keeps it from being applied")).to_be_visible()
    page.get_by_role("button", name="Apply 1 change").click()
    expect(page.get_by_role("alert")).to_contain_text("It is not applied, and nothing is lost.")
    assert web.box.status()["revision"] == 1
    page.get_by_role("button", name="Discard: ").click()
    expect(page.get_by_text("One change is discarded.")).to_be_visible()
    assert web.editor().pending() == ()


def test_discard_all_asks_first(web, signed_in):
    page = signed_in
    web.editor().set("users.user-202.name", "Priya Raman")
    page.goto(web.url("/apply"))
    page.get_by_role("button", name="Discard all…").click()
    page.get_by_role("button", name="Keep them").click()
    assert len(web.editor().pending()) == 1
    page.get_by_role("button", name="Discard all…").click()
    page.get_by_role("button", name="Discard all changes").click()
    expect(page.get_by_text("Nothing waits to be applied")).to_be_visible()
    assert web.editor().pending() == ()


def test_the_engine_is_down_while_saving_and_applying(web, signed_in):
    page = signed_in
    expect(page.get_by_text("The phone engine has not answered since")).to_be_visible()
    page.goto(web.url("/people/users/user-202"))
    page.locator("#f-name").fill("Kept")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Changed, not applied.")).to_be_visible()
    assert web.editor().show("users.user-202").value["name"] == "Kept"
    page.goto(web.url("/apply"))
    page.get_by_role("button", name="Apply 1 change").click()
    expect(page.get_by_text("Revision 2 is saved. The phone engine does not run; it takes it as soon as it starts.")).to_be_visible()
    web.box.start()
    assert web.box.status()["revision"] == 2


def test_an_open_page_outlives_a_restart_of_the_engine(live_web, page, tmp_path):
    web = live_web
    sign_in(page, web)
    page.goto(web.url("/people/"))
    phones = page.get_by_role("navigation", name="Vital signs").get_by_text("0 of 3")
    expect(phones).to_be_visible()
    page.evaluate("window.same = true")
    web.box.kill9()
    expect(page.get_by_text("The phone engine has not answered since")).to_be_visible()
    expect(phones).to_be_visible()  # its last word
    web.box.start()
    expect(page.get_by_text("The phone engine has not answered since")).to_have_count(0)
    # A phone that registers is seen without loading anything.
    from tests.support.rawsip import RawPeer
    from tests.support.sites import secret

    with RawPeer("127.0.0.1") as phone:
        own = "sip:201@holdfast.test"
        answer = phone.request("REGISTER", "sip:holdfast.test", web.box.sip, user="201", secret=secret(201), to_uri=own, from_uri=own)
        assert answer.status == 200
        expect(page.get_by_role("navigation", name="Vital signs").get_by_text("1 of 3")).to_be_visible()
        expect(page.get_by_role("row", name="201 User 201").get_by_text("1 of 1 ready")).to_be_visible()
    assert page.evaluate("window.same")


def test_an_open_page_outlives_a_restart_of_the_web(live_web, page):
    web = live_web
    sign_in(page, web)
    page.goto(web.url("/people/"))
    expect(page.locator("html")).to_have_attribute("data-stream", "on")
    page.evaluate("window.same = true; delete document.documentElement.dataset.stream")
    web.kill()
    web.start()
    web.editor().set("users.user-202.name", "Changed meanwhile")
    expect(page.get_by_role("region", name="Changes not applied")).to_be_visible(timeout=40_000)
    assert page.evaluate("window.same")


def test_a_page_nobody_looks_at_holds_no_stream_and_still_learns(web, signed_in):
    page = signed_in
    expect(page.locator("html")).to_have_attribute("data-stream", "on")
    streams = []
    page.on("request", lambda request: streams.append(request.url) if "/events" in request.url else None)
    turn = "document.dispatchEvent(new Event('visibilitychange', {bubbles: true}))"
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true});" + turn)
    with page.expect_response(lambda answer: "/live" in answer.url):
        web.editor().set("users.user-202.name", "Changed meanwhile")
    expect(page.get_by_role("region", name="Changes not applied")).to_be_visible()
    assert streams == []
    page.evaluate("delete document.hidden;" + turn)
    wait_until(lambda: page.evaluate("1") and streams, 10.0, "the stream of a page that is looked at again")


def test_fifty_open_pages_are_one_subscription(live_web):
    web = live_web
    visitor = Visitor(web)
    visitor.sign_in()
    before = web.box.handles()
    streams, first = [], threading.Semaphore(0)

    def follow() -> None:
        answer = _stream(visitor)
        streams.append(answer)
        while (line := answer.readline()) and not line.startswith(b"data: "):
            pass
        assert json.loads(line[6:])["vitals.phones"]
        first.release()

    threads = [threading.Thread(target=follow, daemon=True) for _ in range(50)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert first.acquire(timeout=60.0)
    # One connection for questions and one for news, however many pages.
    assert web.box.handles() - before <= 3
    assert visitor.get("/people/").status == 200
    for answer in streams:
        answer.close()


def test_more_streams_than_there_are_places_are_told_to_ask(web):
    visitor = Visitor(web)
    visitor.sign_in()
    held = [_stream(visitor) for _ in range(64)]
    answer = visitor.get("/events?g=bar", Accept="text/event-stream")
    assert answer.status == 503
    assert "vitals.phones" in json.loads(visitor.get("/live?g=vitals.phones").text)
    for each in held:
        each.close()
    # Places are free again once the pages are gone.
    wait_until(lambda: _stream(visitor).status == 200, 30.0, "a stream after others were closed", interval_s=0.5)


def test_streams_end_with_the_session(web):
    visitor = Visitor(web)
    visitor.sign_in()
    answer = _stream(visitor)
    web.expire_sessions()
    text = b""
    while line := answer.readline():
        text += line
    assert b"event: signed-out" in text


def test_words_are_only_for_those_who_may_read_them(web):
    visitor = Visitor(web)
    visitor.sign_in("user-201")
    assert json.loads(visitor.get("/live?g=vitals.phones&g=people.phones&g=bar&g=alarms").text).keys() == {"alarms"}
    assert Visitor(web).get("/live?g=alarms", X_Requested_With="holdfast").status == 401


def _stream(visitor: Visitor):
    """An open answer of /events."""
    import http.client
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", visitor.web.port, timeout=60.0, context=context)
    cookies = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    connection.request("GET", "/events?g=vitals.phones&g=people.phones&g=bar", headers={"Cookie": cookies, "Accept": "text/event-stream"})
    return connection.getresponse()
