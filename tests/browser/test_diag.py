"""What is wrong?, told by a real engine about a real phone that signs in wrongly."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import sideways, sign_in, violations
from tests.support.pjphone import PjPhone
from tests.support.sites import secret
from tests.support.web import Visitor, office


def _fine(page):
    for scheme, width in (("light", 1280), ("dark", 1280), ("light", 360)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 800})
        assert violations(page) == []
        assert sideways(page) <= 0, f"{page.url} at {width}"


@pytest.mark.row("E14")
@pytest.mark.timeout(120)
def test_cause_and_cure_of_a_phone_that_cannot_sign_in(make_web, page, tmp_path):
    web = make_web(office(2), engine=True)
    with PjPhone(tmp_path / "phone") as phone:
        assert not phone.register("201", "not the password", web.box.sip).ok
        assert not phone.register("nobody", "whatever it is", web.box.sip).ok
    sign_in(page, web)
    page.goto(web.url("/diag/"))
    wrong = page.locator("li", has_text="signs in as 201 with another password")
    expect(wrong).to_contain_text("Type the SIP password that Phones shows for it")
    expect(page.locator("li", has_text="signs in as nobody")).to_contain_text("no phone of this site has that user name")
    expect(page.locator("li", has_text="Not one message has come from User 202")).to_contain_text("UDP port")
    _fine(page)
    assert "another password than its SIP password" in web.cli("diagnose")
    wrong.get_by_role("link", name="Open phone").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("201")
    # Once it is in, the finding is gone.
    with PjPhone(tmp_path / "again") as phone:
        assert phone.register("201", secret("201"), web.box.sip).ok
        page.goto(web.url("/diag/?q=signs+in+as+201"))
        expect(page.get_by_text("No finding matches “signs in as 201”.")).to_be_visible()


def test_without_an_engine_it_says_that_this_is_what_is_wrong(web, signed_in):
    signed_in.goto(web.url("/diag/"))
    expect(signed_in.get_by_text("Nothing rings until it is back.")).to_be_visible()
    assert violations(signed_in) == []


def test_the_log_is_followed_as_it_grows(web, signed_in):
    signed_in.goto(web.url("/diag/logs"))
    expect(signed_in.get_by_role("row", name="signed in from")).to_have_count(1)
    signed_in.get_by_role("switch", name="Follow").check()
    Visitor(web).sign_in()
    expect(signed_in.get_by_role("row", name="signed in from")).to_have_count(2)
    _fine(signed_in)
    signed_in.get_by_label("Level").select_option("error")
    expect(signed_in.get_by_text("No line matches.")).to_be_visible()


def test_the_machine_is_shown_live(make_web, page):
    web = make_web(office(2), engine=True)
    sign_in(page, web)
    page.goto(web.url("/diag/health"))
    expect(page.locator("li", has_text="Data folder")).to_contain_text("can be written")
    (web.data / "tls" / "other.crt").write_text("no certificate")
    expect(page.get_by_text("The certificate of other.crt cannot be read.")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("Something is broken")).to_be_visible()
    _fine(page)
    (web.data / "tls" / "other.crt").unlink()
    expect(page.get_by_text("other.crt")).to_have_count(0, timeout=30_000)
    page.goto(web.url("/diag/system"))
    expect(page.get_by_role("row", name="Phone engine")).to_be_visible()
    _fine(page)
