"""Who may use the API: tokens and their scopes, people signed in with a browser, and how often."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from appliance.site.tokens import SCOPES, Tokens
from tests.support.api import TLS, Api, refused
from tests.support.web import INSTALLER, PASSWORD, Visitor, Web
from webui.api.v1.caller import ANYBODY, BURST, WRONG_BURST, Buckets
from webui.api.v1.operation import Operation, operations
from webui.app import create_app
from webui.config import Config

GUARDED = [each for each in operations if each.scope]


def path_of(each: Operation) -> str:
    return each.path.replace("{number}", "1").replace("{id}", "none")


@pytest.fixture(scope="module")
def anybody(web: Web) -> Iterator[httpx.Client]:
    """A client without a token."""
    with httpx.Client(base_url=web.url("/api/v1"), verify=TLS, timeout=30.0) as client:
        yield client


def test_every_operation_is_for_somebody_but_the_description() -> None:
    assert {each.id for each in operations} - {each.id for each in GUARDED} == {"openapi"}
    assert {each.scope for each in GUARDED} == {*SCOPES, ANYBODY}, "a scope that opens nothing is none"


def test_no_operation_is_open_to_who_has_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webui.api.v1.caller.WRONG_BURST", 10_000.0)
    client = create_app(Config(tmp_path, tmp_path / "control.sock")).test_client()
    for each in GUARDED:
        answer = client.open(f"/api/v1{path_of(each)}", method=each.method)
        assert (answer.status_code, answer.json["code"]) == (401, "no-token"), each.id
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert not (tmp_path / "site").exists(), "nobody's request makes anything"


@pytest.mark.parametrize("scope", SCOPES)
def test_a_scope_opens_what_is_its_own_and_nothing_else(web: Web, scope: str) -> None:
    with Api(web, *(other for other in SCOPES if other != scope)) as rest:
        for each in (each for each in GUARDED if each.scope == scope):
            said = refused(rest.ask(each.method, path_of(each)), 403, "scope")
            assert scope in said["hint"]
    with Api(web, scope) as one:
        for each in (each for each in GUARDED if each.scope not in {scope, ANYBODY}):
            refused(one.ask(each.method, path_of(each)), 403, "scope")
        assert one.ok("GET", "/me")["scopes"] == [scope]


def test_tokens_that_count_no_more(web: Web, anybody: httpx.Client) -> None:
    with Api(web, "read") as api:
        assert api.get("/users").status_code == 200
        Tokens(web.data).revoke(api.name)
        refused(api.get("/users"), 401, "token")
    _, text = Tokens(web.data).new("old", ["read"], "tests", time.time() - 1)
    said = refused(anybody.get("/users", headers={"Authorization": f"Bearer {text}"}), 401, "token-expired")
    assert "old" in said["detail"]


@pytest.mark.parametrize("header", ["Bearer", "Bearer hf_", "Bearer hf_" + "x" * 5000, "Basic ZGFuYTp4", "hf_x", "Bearer hf_\xe9"])
def test_what_is_no_token(anybody: httpx.Client, header: str) -> None:
    refused(anybody.get("/me", headers={"Authorization": header.encode("latin-1")}), 401, "token")


def test_the_last_use_is_kept(web: Web) -> None:
    with Api(web, "read") as api:
        api.get("/me")
        found = next(token for token in Tokens(web.data).all() if token.name == api.name)
        assert found.used_from == "127.0.0.1"


def test_whoever_still_sends_hears_that_he_may_not(web: Web) -> None:
    with Api(web, "read") as api:
        refused(api.ask("PUT", "/site", raw=b'{"name": "' + b"x" * 3_000_000 + b'"}'), 403, "scope")


# ---- people ------------------------------------------------------------------------------------------------------


def send(visitor: Visitor, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
    """As a page of the box would, from its browser."""
    cookies = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    return httpx.request(method, visitor.web.url(f"/api/v1{path}"), json=body, headers={"Cookie": cookies, **headers}, verify=TLS, timeout=30.0)


def test_an_administrator_uses_it_from_a_page(web: Web) -> None:
    dana = Visitor(web)
    dana.sign_in()
    csrf = dana.get("/account").csrf
    me = send(dana, "GET", "/me").json()
    assert me == {"name": "administrators.dana", "scopes": sorted(SCOPES), "expires_unix_s": None}
    refused(send(dana, "PATCH", "/users/user-203", {"name": "By page"}), 403, "csrf")
    refused(send(dana, "PATCH", "/users/user-203", {"name": "By page"}, **{"X-CSRF": "0" * 64}), 403, "csrf")
    refused(send(dana, "PATCH", "/users/user-203", {"name": "By page"}, **{"X-CSRF": csrf, "Origin": "https://evil.example"}), 403, "origin")
    refused(send(dana, "PATCH", "/users/user-203", {"name": "By page"}, **{"X-CSRF": csrf, "Sec-Fetch-Site": "cross-site"}), 403, "origin")
    done = send(dana, "PATCH", "/users/user-203", {"name": "By page"}, **{"X-CSRF": csrf})
    assert done.status_code == 200, done.text
    web.expire_sessions()
    refused(send(dana, "GET", "/me"), 401, "no-token")


def test_an_installer_admits_nobody_and_a_user_has_pages_of_his_own(web: Web) -> None:
    ines = Visitor(web)
    ines.sign_in(INSTALLER)
    csrf = {"X-CSRF": ines.get("/account").csrf}
    assert send(ines, "PATCH", "/users/user-203", {"name": "By Ines"}, **csrf).status_code == 200
    refused(send(ines, "PUT", "/administrators/me-too", {"name": "Me"}, **csrf), 403, "scope")
    refused(send(ines, "DELETE", "/administrators/dana", **csrf), 403, "scope")
    user = Visitor(web)
    user.sign_in("user-201")
    for path in ("/site", "/users", "/status", "/history", "/voicemail", "/secrets", "/commits"):
        refused(send(user, "GET", path), 403, "scope")


def test_who_may_write_cannot_make_himself_an_administrator(web: Web) -> None:
    with Api(web, "read", "write", "commit", "secrets") as api:
        whole = api.ok("GET", "/site")["value"]
        there = whole["administrators"]
        intruder = {**there, "mallory": {"name": "M", "role": "administrator", "password": "correct horse battery"}}
        taken = {**there, "dana": {**there["dana"], "password": "correct horse battery"}}
        raised = {**there, INSTALLER: {**there[INSTALLER], "role": "administrator"}}
        for others in (intruder, taken, raised, {}):
            refused(api.put("/site", {**whole, "administrators": others}, If_Match="*"), 403, "scope")
        assert api.put("/site", whole, If_Match="*").status_code == 200
        refused(api.patch("/administrators/dana", {"password": "correct horse battery"}), 403, "scope")
        refused(api.patch("/settings", {"administrators": {}}), 422)
        assert PASSWORD not in json.dumps(whole)


# ---- how often ---------------------------------------------------------------------------------------------------


def test_buckets_fill_again() -> None:
    buckets = Buckets(2.0, 3.0)
    assert [buckets.take("a", 10.0) for _ in range(3)] == [0.0] * 3
    assert buckets.take("a", 10.0) == pytest.approx(0.5)
    assert buckets.take("b", 10.0) == 0.0
    assert buckets.take("a", 10.49) > 0
    assert buckets.take("a", 10.6) == 0.0
    assert [buckets.take("a", 100.0) for _ in range(4)][3] > 0, "no more than a burst is saved up"


def test_too_many_requests_of_one_token_are_told_to_wait_and_others_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webui.api.v1.caller.PER_S", 0.01)
    monkeypatch.setattr("webui.api.v1.caller.WRONG_PER_S", 0.01)
    client = create_app(Config(tmp_path, tmp_path / "control.sock")).test_client()

    def me(token: str) -> Any:
        return client.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})

    busy, other = (Tokens(tmp_path).new(name, ["read"], "tests")[1] for name in ("busy", "other"))
    assert {me(busy).status_code for _ in range(int(BURST))} == {200}
    answer = me(busy)
    assert (answer.status_code, answer.json["code"], answer.content_type) == (429, "too-many", "application/problem+json")
    assert int(answer.headers["Retry-After"]) >= 1
    assert me(other).status_code == 200
    assert {me("hf_x").status_code for _ in range(int(WRONG_BURST))} == {401}
    assert me("hf_x").status_code == 429
    assert me(other).status_code == 200, "a good token is not kept out by bad ones of its address"


def test_tokens_are_made_and_revoked_over_the_api(web: Web, api: Api, client: Callable[..., Api]) -> None:
    mine = client("access", "read")
    refused(client("read", "write").get("/tokens"), 403, "scope")
    said = refused(mine.post("/tokens", {"name": "more", "scopes": ["read", "calls"]}), 403, "scope")
    assert said["detail"].endswith("does not have: calls")
    made = mine.post("/tokens", {"name": "less", "scopes": ["read"], "days": 1})
    assert (made.status_code, made.headers["Location"]) == (201, "/api/v1/tokens/less")
    token = made.json().pop("token")
    with httpx.Client(base_url=web.url("/api/v1"), verify=TLS, headers={"Authorization": f"Bearer {token}"}) as theirs:
        assert theirs.get("/me").json()["scopes"] == ["read"]
        row = mine.ok("GET", "/tokens/less")
        assert (row["made_by"], row["used_from"]) == (f"token {mine.name}", "127.0.0.1")
        assert row in mine.ok("GET", "/tokens?limit=200")["items"]
        assert token not in mine.get("/tokens?limit=200").text
        refused(mine.post("/tokens", {"name": "less", "scopes": ["read"]}), 422, "token")
        assert mine.delete("/tokens/less").status_code == 204
        refused(theirs.get("/me"), 401, "token")
    refused(mine.delete("/tokens/less"), 404, "not-found")
    refused(mine.get("/tokens/less"), 404, "not-found")
    for body in ({"name": "Not One", "scopes": ["read"]}, {"name": "none", "scopes": []}, {"name": "none", "scopes": ["all"]}, {"name": "none"}):
        assert mine.post("/tokens", body).status_code == 422
