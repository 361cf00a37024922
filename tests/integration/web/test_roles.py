"""Who may open what: every route of the application, for nobody, a user, an installer and an administrator. What is not declared for a role is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from werkzeug.routing import Rule
from werkzeug.test import Client, TestResponse

from appliance.site.document import parse
from appliance.site.store import SiteStore
from appliance.site.vault import Vault
from tests.support.web import DANA, INSTALLER, PASSWORD, office
from webui.app import create_app
from webui.config import Config

ROLES = {"administrator": DANA, "installer": INSTALLER, "user": "201"}
OPEN = {"access.claim", "access.sign_in", "health", "static.file", "static.favicon", "settings.restarted"}
"""What nobody needs to sign in for; the last says yes or no to who knows a random id, and nothing else."""
OF_ALL = {
    "front", "areas.more", "live.once", "live.stream", "access.account", "access.password", "access.prefer", "access.sign_out", "access.sign_out_everywhere",
}  # fmt: skip
"""What is everybody's who signed in."""


ADMINISTRATORS = {"settings.administrators", "settings.tokens", "settings.backup", "settings.certificate", "settings.seen"}
"""What an installer has no business with, and everything beside it."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    data = tmp_path_factory.mktemp("roles")
    site, secrets = parse(office())
    SiteStore(data / "site").save(site, author="tests", comment="", now=1.8e9)
    Vault(data).put(secrets)
    return create_app(Config(data, data / "control.sock"))


@pytest.fixture(scope="module")
def people(app: Flask) -> dict[str, Client]:
    return {role: signed_in(app, name) for role, name in ROLES.items()}


def signed_in(app: Flask, name: str) -> Client:
    client = app.test_client()
    page = client.get("/sign-in", base_url="https://box").text
    done = client.post("/sign-in", base_url="https://box", data={"csrf": token(page), "user": name, "password": PASSWORD})
    assert done.status_code == 303, name
    return client


def token(page: str) -> str:
    found = re.search(r'name="csrf" (?:content|value)="([0-9a-f]+)"', page)
    assert found
    return found[1]


def pages(app: Flask) -> Iterator[tuple[Rule, str]]:
    """Every rule but the API's, with each method it takes."""
    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith("/api"):
            yield from ((rule, method) for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}))


def ask(client: Client, rule: Rule, method: str, csrf: str = "") -> TestResponse:
    """With things in its address that are not there: who may not is refused before anything is looked up."""
    path = re.sub(r"<int:[^>]+>", "1", rule.rule)
    path = re.sub(r"<[^>]+>", "none", path)
    return client.open(path, method=method, base_url="https://box", data={"csrf": csrf} if method != "GET" else None)


def may(app: Flask, endpoint: str, role: str) -> bool:
    """What is declared: pages of one's own are a user's; what is said above is everybody's; all else is for who looks after the box."""
    if endpoint in OF_ALL or endpoint in OPEN:
        return True
    if endpoint.startswith("me."):
        return role == "user"
    view = app.view_functions[endpoint]
    if "roles" in view.__dict__:
        return role in view.__dict__["roles"]
    return role in {"administrator", "installer"}


def test_the_table_names_routes_that_are_there(app: Flask) -> None:
    assert app.view_functions.keys() >= OF_ALL | OPEN
    assert not [each for each, view in app.view_functions.items() if "open_to_all" in view.__dict__ and each not in OPEN]
    unguarded = {each for each, view in app.view_functions.items() if "unguarded" in view.__dict__}
    assert all(rule.rule.startswith("/api") for rule in app.url_map.iter_rules() if rule.endpoint in unguarded)
    opened = {each for each, view in app.view_functions.items() if "user" in view.__dict__.get("roles", ())}
    assert opened == OF_ALL, "a view that is opened to users stands here, where somebody has thought about it"
    alone = {each for each, view in app.view_functions.items() if view.__dict__.get("roles") == {"administrator"}}
    assert alone >= ADMINISTRATORS
    sensitive = re.compile(r"administrator|token|backup|restore|certificate|reset|upload|seen")
    assert not [each for each in app.view_functions if each.startswith("settings.") and sensitive.search(each) and each not in alone | OPEN]
    areas = {area.name: area.roles for area in app.extensions["areas"]}
    assert areas.pop("me") == {"user"}
    assert all("user" not in roles for roles in areas.values())


def test_nobody_sees_anything(app: Flask) -> None:
    client = app.test_client()
    token_of_nobody = token(client.get("/sign-in", base_url="https://box").text)
    for rule, method in pages(app):
        if rule.endpoint in OPEN:
            continue
        answer = ask(client, rule, method, token_of_nobody)
        assert (answer.status_code, answer.headers.get("Location", "").split("?")[0]) == (303, "/sign-in"), (method, rule.rule)
        script = client.open(re.sub(r"<[^>]+>", "1", rule.rule), method=method, base_url="https://box", headers={"X-Requested-With": "holdfast"})
        assert script.status_code == 401, (method, rule.rule)


@pytest.mark.row("A11")
@pytest.mark.parametrize("role", ROLES)
def test_a_role_opens_what_is_declared_for_it_and_nothing_else(app: Flask, people: dict[str, Client], role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client, refused = people[role], 0
    csrf = token(client.get("/account", base_url="https://box").text)
    # What is let in is not done: this is about the door.
    monkeypatch.setattr("flask.Flask.dispatch_request", lambda *_: ("let in", 299))
    for rule, method in pages(app):
        answer = ask(client, rule, method, csrf)
        wanted = 299 if may(app, rule.endpoint, role) else 403
        assert answer.status_code == wanted, (role, method, rule.rule)
        refused += wanted == 403
    assert refused >= {"administrator": 10, "installer": 10, "user": 100}[role]


def test_no_write_is_let_in_without_the_token(app: Flask, people: dict[str, Client]) -> None:
    for rule, method in pages(app):
        if method != "GET" and rule.endpoint not in {"static.file"}:
            assert ask(people["administrator"], rule, method, "0" * 64).status_code == 403, (method, rule.rule)


def test_the_api_refuses_a_user_with_a_problem_in_json(app: Flask, people: dict[str, Client]) -> None:
    client = people["user"]
    csrf = token(client.get("/account", base_url="https://box").text)
    seen = 0
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            described = rule.rule in {"/api/v1/openapi.json", "/api/v1/me", "/api/v1/"} or rule.rule.startswith("/api/v1/docs/")
            if described or not rule.rule.startswith("/api/v1/"):
                continue
            path = re.sub(r"<[^>]+>", "1", rule.rule)
            answer = client.open(path, method=method, base_url="https://box", headers={"X-CSRF": csrf})
            assert (answer.status_code, answer.mimetype) == (403, "application/problem+json"), (method, rule.rule)
            assert answer.json["code"] == "scope"
            seen += 1
    assert seen > 60
    assert client.get("/api/v1/me", base_url="https://box").json["scopes"] == []


@pytest.mark.row("A11")
def test_menus_show_what_may_be_opened(app: Flask, people: dict[str, Client]) -> None:
    for role, client in people.items():
        page = client.get("/more", base_url="https://box").text
        for area in app.extensions["areas"]:
            shown, index = f'href="{area.url_prefix}/"' in page, f"{area.name}.index"
            # The first hour leaves the menu when it is over.
            assert shown == (index in app.view_functions and may(app, index, role)) or (area.first_hour and not shown), (role, area.name)
