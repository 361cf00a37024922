"""Settings over HTTP, without a browser: the site itself, administrators, who looked at passwords."""

import re

import pytest

from tests.support.api import Api, refused
from tests.support.web import DANA, INSTALLER, PASSWORD, Visitor, Web, office

OTHER = "seven blue herons"


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    with Web(tmp_path_factory.mktemp("settings"), office()) as made:
        yield made


@pytest.fixture
def dana(web):
    visitor = Visitor(web)
    visitor.sign_in()
    yield visitor
    web.editor().discard()


def form(page, **fields):
    """What a browser would send from the form on `page`."""
    sent = dict(re.findall(r'<input class="in" id="f-[^"]+" name="([^"]+)"[^>]* value="([^"]*)"', page.text))
    for name, options in re.findall(r'<select class="in" id="f-[^"]+" name="([^"]+)"[^>]*>(.*?)</select>', page.text, re.S):
        sent[name] = re.search(r'value="([^"]*)" selected', options)[1]
    sent |= dict(re.findall(r'<textarea class="in" id="f-[^"]+" name="([^"]+)"[^>]*>\n?(.*?)</textarea>', page.text, re.S))
    sent |= dict.fromkeys(re.findall(r'name="([^"]+)" value="on" checked', page.text), "on")
    hidden = dict(re.findall(r'<input type="hidden" name="(form|version)" value="([^"]*)"', page.text))
    return {**sent, **hidden, **fields}


def save(visitor, path, **fields):
    return visitor.post(path, form(visitor.get(path), **fields))


def test_the_site_itself_is_changed_and_marked(web, dana):
    before = web.editor().show("site").value
    assert save(dana, "/settings/", name="Harbour <b>Clinic</b>", main_number="+1 (202) 555-0177", interfaces="192.168.1.5 as 203.0.113.7").status == 303
    after = web.editor().show("site").value
    assert after == {
        **before,
        "name": "Harbour <b>Clinic</b>",
        "main_number": "+12025550177",
        "interfaces": [{"address": "192.168.1.5", "advertised": "203.0.113.7"}],
    }
    page = dana.get("/settings/")
    assert page.text.partition("</main>")[0].count('class="edited"') == 4  # the page and three fields
    assert "192.168.1.5 as 203.0.113.7" in page.text
    assert "<b>Clinic</b>" not in page.text


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("country", "XX", "not known"),
        ("time_zone", "Europe/Nowhere", "not a time zone"),
        ("domain", "no host name", "f-domain-e"),
        ("name", "", "f-name-e"),
        ("interfaces", "192.168.1.5 = 203.0.113.7", "no address of the box"),
        ("interfaces", "192.168.1.999", "f-interfaces-e"),
    ],
)
def test_what_cannot_be_is_told_at_its_field(web, dana, field, value, said):
    answer = save(dana, "/settings/", **{field: value})
    assert answer.status == 200
    assert said in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert not web.editor().pending()


def test_how_sip_behaves(web, dana):
    assert save(dana, "/settings/sip", codecs="PCMA g722", ring_seconds="45").status == 303
    assert web.editor().show("sip").value["codecs"] == ["pcma", "g722"]
    for field, value in (("codecs", "g729"), ("default_expires_seconds", "5"), ("rtp_ports", "60000"), ("ring_seconds", "soon")):
        answer = save(dana, "/settings/sip", **{field: value})
        assert answer.status == 200, field
        assert 'aria-invalid="true"' in answer.text, field
    assert web.editor().show("sip").value["ring_seconds"] == 45


def test_two_who_change_the_site_at_once(web, dana):
    page = dana.get("/settings/")
    web.editor().set("site.name", "Theirs")
    answer = dana.post("/settings/", form(page, name="Mine"))
    assert "Both of you changed this" in answer.text
    assert web.editor().show("site.name").value == "Theirs"


# ---- administrators ----------------------------------------------------------------------------------------------


def test_an_administrator_comes_and_goes(web, dana):
    new = "/settings/administrators/new"
    for fields, said in (
        ({"user": "Lu is", "password": OTHER}, "no user name"),
        ({"user": DANA, "password": OTHER}, "somebody else"),
        ({"user": "luis", "password": ""}, "A password is missing"),
        ({"user": "luis", "password": "short"}, "shorter than 8"),
    ):
        answer = save(dana, new, name="Luis", **fields)
        assert answer.status == 200
        assert said in answer.text
    assert not web.editor().pending()
    assert save(dana, new, name="Luis <i>O</i>", user="luis", password=OTHER).status == 303
    listed = dana.get("/settings/administrators").text
    assert "New, not applied" in listed
    assert "Luis &lt;i&gt;O&lt;/i&gt;" in listed
    web.editor().commit("Luis")
    luis = Visitor(web)
    assert luis.sign_in("luis", OTHER).status == 303
    # Another password ends his sign-in at once, whatever is pending.
    page = "/settings/administrators/luis"
    assert dana.post(f"{page}/password", {"password": "short"}, page=page).status == 422
    assert luis.get("/settings/administrators").status == 200
    assert dana.post(f"{page}/password", {"password": "eight green herons"}, page=page).status == 303
    assert luis.get("/settings/administrators").status == 303
    assert luis.sign_in("luis", OTHER).status == 422
    assert luis.sign_in("luis", "eight green herons").status == 303
    # Switched off he is out, and in again when he is on.
    answer = form(dana.get(page))
    del answer["enabled"]
    assert dana.post(page, answer).status == 303
    web.editor().commit("Off")
    assert luis.get("/settings/administrators").status == 303
    assert luis.sign_in("luis", "eight green herons").status == 422
    version = form(dana.get(page))["version"]
    assert dana.post(f"{page}/delete", {"version": version}, page=page).status == 303
    web.editor().commit("Gone")
    assert "luis" not in web.editor().show("administrators").value


def test_the_last_administrator_stays(web, dana):
    page = f"/settings/administrators/{DANA}"
    version = form(dana.get(page))["version"]
    answer = dana.post(f"{page}/delete", {"version": version}, page=page)
    assert answer.status == 409
    assert "Nobody else administers the box" in answer.text
    answer = save(dana, page, role="installer")
    assert "Nobody else administers the box" in answer.text
    off = form(dana.get(page))
    del off["enabled"]
    assert "Nobody else administers the box" in dana.post(page, off).text
    with Api(web) as api:
        refused(api.delete(f"/administrators/{DANA}"), 422)
        refused(api.patch(f"/administrators/{DANA}", {"role": "installer"}), 422)
        refused(api.patch(f"/administrators/{DANA}", {"enabled": False}), 422)
        refused(api.patch(f"/administrators/{DANA}", {"password": None}), 422)
        refused(api.put(f"/administrators/{DANA}", {"name": "Dana", "role": "installer"}, If_Match="*"), 422)
        whole = api.get("/site").json()["value"]
        refused(api.put("/site", {**whole, "administrators": {}}, If_Match="*"), 422)
        assert not web.editor().pending()
        # Another one who cannot sign in does not count; one who can does.
        api.ok("PUT", "/administrators/luis", {"name": "Luis"}, If_None_Match="*")
        refused(api.delete(f"/administrators/{DANA}"), 422)
        api.ok("PATCH", "/administrators/luis", {"password": OTHER})
        assert api.delete(f"/administrators/{DANA}").status_code == 204


def test_ones_own_password_is_changed_with_the_old_one(web, dana):
    page = f"/settings/administrators/{DANA}"
    answer = dana.post(f"{page}/password", {"password": OTHER}, page=page)
    assert (answer.status, answer.headers["location"]) == (303, "/account")
    assert dana.post("/account/password", {"old": "wrong", "new": OTHER}, page="/account").status == 422
    elsewhere = Visitor(web)
    elsewhere.sign_in()
    assert dana.post("/account/password", {"old": PASSWORD, "new": OTHER}, page="/account").status == 303
    assert dana.get("/settings/").status == 200
    assert elsewhere.get("/settings/").status == 303
    assert dana.post("/account/password", {"old": OTHER, "new": PASSWORD}, page="/account").status == 303


def test_these_are_for_administrators(web):
    ines = Visitor(web)
    ines.sign_in(INSTALLER)
    assert ines.get("/settings/").status == 200
    shown = ines.get("/settings/").text
    for path in ("administrators", "administrators/new", f"administrators/{DANA}", "seen"):
        assert ines.get(f"/settings/{path}").status == 403
        assert f'href="/settings/{path}"' not in shown
    for path in (f"administrators/{DANA}/delete", f"administrators/{INSTALLER}/password"):
        assert ines.post(f"/settings/{path}", {"password": OTHER}, page="/settings/").status == 403


def test_who_looked_at_a_password(web, dana):
    assert "Nobody has looked at a password yet" in dana.get("/settings/seen").text
    web.cli("secret", "reveal", next(iter(sorted(name for name in _names(web) if name.startswith("devices.")))))
    with Api(web) as api:
        name = sorted(name for name in _names(web) if name.startswith("devices."))[1]
        api.ok("POST", "/secrets/reveal", {"name": name})
        shown = dana.get("/settings/seen").text
        assert shown.index(f"token {api.name}") < shown.index("(uid ")  # the newest first
        assert name in shown
        assert name in web.cli("secret", "seen")
        assert "token" not in dana.get("/settings/seen?q=uid").text.partition("<tbody>")[2]


def _names(web):
    from appliance.site.secrets import possible
    from appliance.site.store import SiteStore

    return possible(SiteStore(web.data / "site").current()[1])
