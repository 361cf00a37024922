"""The eye on a secret: seen by who may, and on record first (row E3)."""

import json

import pytest

from appliance.site.vault import Vault
from tests.support.sites import secret
from tests.support.web import INSTALLER, Visitor


@pytest.mark.row("E3")
def test_a_secret_is_shown_once_asked_and_who_saw_it_is_on_record(web):
    visitor = Visitor(web)
    visitor.sign_in()
    token = {"X_CSRF": visitor.get("/account").csrf, "X_Requested_With": "holdfast"}
    answer = visitor.ask("POST", "/reveal?name=devices.phone-201.secret", {}, **token)
    assert json.loads(answer.text) == {"secret": secret(201)}
    assert answer.headers["cache-control"] == "no-store"
    assert [(seen.name, seen.who) for seen in Vault(web.data).reveals()] == [("devices.phone-201.secret", "Dana Whitcomb (dana)")]


@pytest.mark.parametrize("name", ["users.user-201.password", "administrators.dana.password", "", "devices.nobody.secret", "../key"])
def test_what_nobody_may_see_is_not_shown(web, name):
    visitor = Visitor(web)
    visitor.sign_in(INSTALLER)
    token = {"X_CSRF": visitor.get("/account").csrf, "X_Requested_With": "holdfast"}
    assert visitor.ask("POST", f"/reveal?name={name}", {}, **token).status == 404
    assert Vault(web.data).reveals() == []


def test_not_without_the_token_nor_for_portal_users(web):
    visitor = Visitor(web)
    visitor.sign_in()
    assert visitor.ask("POST", "/reveal?name=devices.phone-201.secret", {}, X_Requested_With="holdfast").status == 403
    portal = Visitor(web)
    portal.sign_in("user-201")
    token = {"X_CSRF": portal.get("/account").csrf, "X_Requested_With": "holdfast"}
    assert portal.ask("POST", "/reveal?name=devices.phone-201.secret", {}, **token).status == 403
    assert Vault(web.data).reveals() == []
