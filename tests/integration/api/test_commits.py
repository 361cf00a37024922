"""Commits over the API, with the engine up, and with it down."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.support.api import Api, refused
from tests.support.proc import wait_until
from tests.support.web import Web, office


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with Web(tmp_path_factory.mktemp("api"), office(), engine=True) as made:
        yield made


def test_from_a_change_to_what_is_in_force_and_back(web: Web, api: Api) -> None:
    first = web.box.status()["revision"]
    assert api.ok("GET", "/commits/pending")["changes"] == []
    refused(api.post("/commits"), 409, "nothing-to-commit")
    refused(api.post("/commits/confirm"), 409, "nothing-to-confirm")
    refused(api.post("/commits/undo"), 409, "nothing-to-confirm")

    api.ok("PATCH", "/users/user-201", {"name": "Dana <b>Whitcomb</b>"})
    pending = api.ok("GET", "/commits/pending")
    assert [(change["path"], change["before"], change["after"]) for change in pending["changes"]] == [
        ("users.user-201.name", "User 201", "Dana <b>Whitcomb</b>")
    ]
    assert pending["changes"][0]["sentence"].startswith("name of ")
    refused(api.post("/commits/rollback", {"revision": first}), 409, "pending")
    began = time.monotonic()
    checked = api.ok("GET", "/commits/check")
    assert time.monotonic() - began < 10
    assert (checked["good"], checked["problems"], checked["version"]) == (True, [], pending["version"])
    refused(api.post("/commits", {"comment": "stale"}, If_Match='"1"'), 412, "conflict")
    answer = api.post("/commits", {"comment": "A name, né <i>"}, If_Match=f'"{pending["version"]}"')
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["in_force"], made["engine"], made["waiting"]) == (True, "", None)
    assert made["revision"] > first
    assert answer.headers["Location"] == f"/api/v1/commits/{made['revision']}"
    assert web.box.status()["revision"] == made["revision"]
    entry = api.ok("GET", f"/commits/{made['revision']}")
    assert (entry["author"], entry["comment"], entry["current"]) == (f"token {api.name}", "A name, né <i>", True)
    assert [change["path"] for change in entry["changes"]] == ["users.user-201.name"]

    back = api.ok("POST", "/commits/rollback", {"revision": first, "comment": "back"})
    assert back["in_force"]
    assert web.box.status()["revision"] == back["revision"]
    assert api.ok("GET", "/users/user-201")["value"]["name"] == "User 201"
    refused(api.post("/commits/rollback", {"revision": 999}), 404, "not-found")
    refused(api.get("/commits/999"), 404)
    refused(api.get("/commits/" + "9" * 30), 404)
    refused(api.get("/commits/x"), 404)


def test_a_commit_on_trial_is_undone_or_kept(web: Web, api: Api) -> None:
    api.ok("PATCH", "/users/user-202", {"name": "On trial"})
    made = api.ok("POST", "/commits", {"confirm_minutes": 5})
    assert made["waiting"]["seconds_left"] > 200
    assert api.ok("GET", "/commits/pending")["waiting"]["revision"] == made["revision"]
    undone = api.ok("POST", "/commits/undo")
    assert undone["in_force"]
    assert [change["path"] for change in api.ok("GET", "/commits/pending")["changes"]] == ["users.user-202.name"], "nothing is lost"
    made = api.ok("POST", "/commits", {"confirm_minutes": 5})
    assert api.ok("POST", "/commits/confirm") == {"revision": made["revision"]}
    assert api.ok("GET", "/commits/pending")["waiting"] is None


def test_mistakes_keep_a_commit_from_being_made_and_the_candidate_stays(api: Api) -> None:
    api.ok("PUT", "/devices/lost", {"sip_user": "lost", "owner": "nobody"})
    said = refused(api.post("/commits"), 422, "document")
    assert "devices.lost.owner" in [problem["path"] for problem in said["problems"]]
    checked = api.ok("GET", "/commits/check")
    assert not checked["good"]
    assert checked["problems"] == said["problems"]
    assert api.ok("POST", "/commits/discard", {"paths": ["devices.lost"]})["changes"][0]["path"] == "devices.lost"
    refused(api.get("/devices/lost"), 404)
    refused(api.post("/commits/discard", {"paths": ["devices.lost"]}), 404)
    for body in ({"confirm_minutes": 1441}, {"confirm_minutes": -1}, {"comment": "x" * 501}, {"nonsense": 1}, {"comment": 5}, []):
        refused(api.post("/commits", body), 422)


def test_the_history_comes_in_pages_newest_first(api: Api) -> None:
    for number in range(3):
        api.ok("PATCH", "/settings", {"name": f"Site {number}"})
        api.ok("POST", "/commits", {"comment": f"number {number}"})
    whole = api.ok("GET", "/commits?limit=200")["items"]
    seen, cursor = [], ""
    while cursor is not None:
        found = api.ok("GET", f"/commits?limit=2&cursor={cursor}")
        seen += found["items"]
        cursor = found["next"]
    assert seen == whole
    assert [row["comment"] for row in seen[:3]] == ["number 2", "number 1", "number 0"]
    assert [row["current"] for row in seen].count(True) == 1
    refused(api.get("/commits?cursor=eHl6"), 422)


def test_two_who_commit_at_once(web: Web, api: Api, client: Callable[..., Api]) -> None:
    api.ok("PATCH", "/settings", {"name": "Both"})
    from concurrent.futures import ThreadPoolExecutor

    clients = [client("commit") for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda who: who.post("/commits"), clients))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]


def test_with_the_engine_down_it_is_saved_and_says_so(web: Web, api: Api) -> None:
    web.box.kill9()
    api.ok("PATCH", "/users/user-203", {"name": "While down"})
    made = api.ok("POST", "/commits")
    assert made["in_force"] is False
    assert "No box answers" in made["engine"]
    for path in ("/status", "/alarms", "/calls", "/history", "/registrations", "/trace", "/emergency/notices", "/voicemail"):
        said = refused(api.get(path), 503, "not-running")
        assert said["hint"]
    for path, body in (("/calls", {"extension": "201", "to": "202"}), ("/calls/x/hangup", None), ("/emergency/test", {"extension": "201"})):
        refused(api.post(path, body), 503, "not-running")
    web.box.start()
    wait_until(lambda: web.box.status()["revision"] == made["revision"], 10, "the engine takes it when it starts")
    assert api.ok("GET", "/status")["revision"] == made["revision"]
