"""Ways out with their state and order, the carrier's password, outside dialling, incoming numbers."""

import re

import pytest
from playwright.sync_api import expect

from appliance.site.vault import Vault
from tests.browser.conftest import sideways, sign_in, violations
from tests.support.sites import add_number, add_trunk
from tests.support.web import Visitor, office


def clinic():
    """Two lines and a number; nobody answers at either address."""
    site = office()
    add_trunk(site, "northwind", "127.0.0.1", 5999, username="tidewater", secret="q7wkvzzm2pxd84hr", emergency_armed=True, max_calls=20)
    add_trunk(site, "meridian", "127.0.0.1", 5998)
    add_number(site, "+12025550142", "201")
    site["groups"] = {"desk": {"name": "Front desk", "users": ["user-202"]}}
    return site


@pytest.fixture
def lines(make_web, page):
    web = make_web(clinic())
    sign_in(page, web)
    return web


def names(page):
    return page.locator("tbody tr td:nth-child(2) a").all_inner_texts()


def test_the_state_of_each_line_is_shown_as_the_engine_says_it(make_web, page):
    web = make_web(add_trunk(clinic(), "cold", "127.0.0.1", 5996, enabled=False), engine=True)
    sign_in(page, web)
    page.goto(web.url("/lines/"))
    row = page.get_by_role("row", name=re.compile("Northwind"))
    expect(row).to_contain_text("0 of 20")
    expect(row).to_contain_text("Armed")
    expect(page.get_by_role("row", name=re.compile("Meridian"))).to_contain_text("Not armed")
    expect(page.get_by_role("row", name=re.compile("Meridian"))).to_contain_text(re.compile("Down|Unknown"))
    expect(page.get_by_role("row", name=re.compile("Cold"))).to_contain_text("Switched off")
    web.editor().set("trunks.third", {"name": "Third", "host": "127.0.0.1", "port": 5997})
    page.reload()
    expect(page.get_by_role("row", name=re.compile("Third"))).to_contain_text("Not applied yet")


def test_a_line_is_added_changed_and_deleted(lines, page):
    page.goto(lines.url("/lines/"))
    page.get_by_role("link", name="Add line").click()
    page.get_by_label("Name", exact=True).fill("Cascade Voice")
    page.get_by_label("Carrier's server").fill("sip.cascade.example")
    page.get_by_label("User name").fill("clinic")
    page.get_by_role("button", name="Add line").click()
    expect(page.locator("#f-secret")).to_be_focused()
    expect(page.locator("#f-secret-e")).to_contain_text("A line that signs in needs the carrier's password")
    page.locator("#f-secret").fill("hunter2-but-longer-99")
    page.get_by_role("button", name="Add line").click()
    expect(page.get_by_role("heading", name="Cascade Voice")).to_be_visible()
    held = lines.editor().show("trunks.cascade-voice").value
    assert held["codecs"] == ["pcmu", "pcma", "g722", "opus"]
    assert "secret" not in held
    assert "hunter2" not in page.content()
    page.get_by_label("Most calls at once").fill("8")
    page.get_by_label("Codecs, best first").fill("opus\npcmu\nmp3")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#f-codecs-e")).to_be_visible()
    page.get_by_label("Codecs, best first").fill("opus\npcmu")
    page.get_by_label("Transport").select_option("tls")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Transport")).to_have_value("tls")
    held = lines.editor().show("trunks.cascade-voice").value
    assert (held["max_calls"], held["codecs"], held["transport"]) == (8, ["opus", "pcmu"], "tls")
    page.get_by_role("button", name="Delete line…").click()
    page.get_by_role("button", name="Delete line", exact=True).click()
    expect(page.get_by_text("Cascade Voice is deleted, not applied.")).to_be_visible()
    assert "cascade-voice" not in lines.editor().show("trunks").value


def test_the_last_way_out_stays(lines, page):
    lines.editor().delete("trunks.meridian")
    page.goto(lines.url("/lines/trunks/northwind"))
    page.get_by_role("button", name="Delete line…").click()
    expect(page.get_by_role("heading", name="Northwind cannot be deleted now")).to_be_focused()
    expect(page.get_by_role("dialog")).to_contain_text("is the last way out: without it no emergency call leaves. Add the new line first")
    page.keyboard.press("Escape")
    visitor = Visitor(lines)
    visitor.sign_in()
    version = lines.editor().show("trunks.northwind").version
    answer = visitor.post("/lines/trunks/northwind/delete", {"version": version}, "/lines/trunks/northwind")
    assert answer.status == 409
    assert "is the last way out" in answer.text
    assert "northwind" in lines.editor().show("trunks").value


def test_a_line_that_numbers_come_in_over_is_not_deleted(lines, page):
    lines.editor().set("numbers.n12025550142.trunk", "meridian")
    page.goto(lines.url("/lines/trunks/meridian"))
    page.get_by_role("button", name="Delete line…").click()
    expect(page.get_by_role("dialog")).to_contain_text("+12025550142 comes in over Meridian.")


def test_the_password_is_shown_on_request_and_that_is_on_record(lines, page):
    page.goto(lines.url("/lines/trunks/northwind"))
    field = page.get_by_label("Carrier password", exact=True)
    expect(field).to_have_value("••••••••••••")
    page.get_by_role("button", name="Show Carrier password").click()
    expect(field).to_have_value("q7wkvzzm2pxd84hr")
    assert [(seen.name, "dana" in seen.who) for seen in Vault(lines.data).reveals()] == [("trunks.northwind.secret", True)]


def test_the_order_is_changed_by_buttons_and_taken_back(lines, page):
    page.goto(lines.url("/lines/"))
    assert names(page) == ["Northwind", "Meridian"]
    page.get_by_role("button", name="Try Meridian earlier").focus()
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr").first).to_contain_text("Meridian")
    assert lines.editor().show("outbound.trunks").value == ["meridian", "northwind"]
    lines.editor().set("trunks.third", {"name": "Third", "host": "127.0.0.1"})
    page.reload()
    expect(page.get_by_role("row", name=re.compile("Third"))).to_contain_text("Use for outside calls")
    page.get_by_role("button", name="Use Third for outside calls").click()
    expect(page.get_by_role("button", name="Try Third earlier")).to_be_visible()
    page.goto(lines.url("/lines/trunks/meridian"))
    page.get_by_role("button", name="Delete line…").click()
    page.get_by_role("button", name="Delete line", exact=True).click()
    expect(page.get_by_text("Meridian is deleted, not applied.")).to_be_visible()
    assert lines.editor().show("outbound.trunks").value == ["northwind", "third"]
    stale = Visitor(lines)
    stale.sign_in()
    assert stale.post("/lines/trunks/third/move", {"where": "up", "version": "1"}, "/lines/").status == 303
    assert lines.editor().show("outbound.trunks").value == ["northwind", "third"]


def test_outside_dialling(lines, page):
    page.goto(lines.url("/lines/outside"))
    page.get_by_label("Digits before an outside number").fill("0")
    page.get_by_label("Meridian").check()
    page.get_by_label("Countries beside our own").fill("GB")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#f-allowed_countries-e")).to_contain_text("+44")
    page.get_by_label("Countries beside our own").fill("+44\n+33")
    page.get_by_label("Never called").fill("+1900")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Changed, not applied.")).to_be_visible()
    held = lines.editor().show("outbound").value
    assert held == {"outside_prefix": "0", "trunks": ["meridian"], "allowed_countries": ["+44", "+33"], "blocked_prefixes": ["+1900"]}


@pytest.mark.row("A2")
def test_incoming_numbers_lead_where_the_second_choice_says(lines, page):
    page.goto(lines.url("/lines/numbers/"))
    expect(page.get_by_role("row", name=re.compile(r"\+12025550142"))).to_contain_text("201 User 201")
    page.get_by_role("link", name="Add number").click()
    page.get_by_label("Number", exact=True).fill("+1 (202) 555-0199")
    page.get_by_label("Name", exact=False).fill("Pharmacy")
    for kind, label in (("Extension", "Which extension"), ("Flow", "Which flow"), ("Outside number", "Which number"), ("Group", "Which group")):
        page.get_by_label("Leads to").select_option(label=kind)
        expect(page.get_by_label(label)).to_be_visible()
        assert page.locator(".to:visible").count() == 1
    page.get_by_role("button", name="Add number").click()
    expect(page.locator("#f-destination-e")).to_be_visible()
    page.get_by_label("Which group").select_option(label="Front desk")
    page.get_by_role("button", name="Add number").click()
    expect(page.get_by_role("row", name=re.compile("Pharmacy"))).to_contain_text("Group Front desk")
    assert lines.editor().show("numbers.12025550199").value["destination"] == {"kind": "group", "target": "desk"}
    page.get_by_role("link", name="+12025550199").click()
    expect(page.get_by_label("Which group")).to_have_value("desk")
    page.get_by_label("Leads to").select_option(label="Hang up")
    assert page.locator(".to:visible").count() == 0
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Changed, not applied.").first).to_be_visible()
    assert lines.editor().show("numbers.12025550199.destination").value == {"kind": "hang-up", "target": ""}
    page.locator("#f-number").fill("+12025550142")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#f-number-e")).to_contain_text("+12025550142")
    page.get_by_role("button", name="Delete number…").click()
    page.get_by_role("button", name="Delete number", exact=True).click()
    expect(page.get_by_text("+12025550199 is deleted, not applied.")).to_be_visible()
    page.goto(lines.url("/lines/numbers/?q=nothing"))
    expect(page.get_by_text("No number matches “nothing”.")).to_be_visible()


@pytest.mark.timeout(120)
def test_with_lines_the_pages_are_for_everybody_on_every_screen(lines, page):
    for path in ("/lines/", "/lines/trunks/northwind", "/lines/numbers/", "/lines/numbers/n12025550142"):
        page.goto(lines.url(path))
        for width in (1280, 768, 360):
            page.set_viewport_size({"width": width, "height": 800})
            assert sideways(page) <= 0, f"{path} at {width}"
        assert violations(page) == []
