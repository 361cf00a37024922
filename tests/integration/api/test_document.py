"""Objects of the site over the API: every kind, versions, two writers, bad bodies, secrets that only go in."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from appliance.site.paths import GROUPS, KINDS
from tests.support.api import Api, refused

NEW: dict[str, dict[str, Any]] = {
    "users": {"name": "Noor", "extension": "260"},
    "devices": {"sip_user": "noor-1", "extension": "261"},
    "groups": {"name": "Front"},
    "mailboxes": {"name": "Front"},
    "trunks": {"name": "Acme", "host": "192.0.2.1"},
    "numbers": {"number": "+12025550177"},
    "flows": {"name": "Closed", "start": "end", "steps": {"end": {"type": "hang-up"}}},
    "schedules": {"name": "Hours"},
    "audio": {"name": "Hello", "sha256": "0" * 64},
    "locations": {"name": "Attic", "civic": {"country": "US", "FLR": "9"}},
    "administrators": {"name": "Another"},
}
"""What is enough for an object of each kind."""


@pytest.fixture(autouse=True)
def clean(api: Api) -> Iterator[None]:
    """What a test wrote goes with it, so that it can be run again."""
    yield
    api.ok("POST", "/commits/discard", {})


def tag(answer: httpx.Response) -> str:
    return answer.headers["ETag"]


def test_every_kind_has_an_example_here() -> None:
    assert set(NEW) == set(KINDS), "a new kind appears in the API by itself, and is tried out here with what is enough for it"


@pytest.mark.row("A13")
@pytest.mark.parametrize("kind", KINDS)
def test_an_object_of_every_kind_is_made_read_changed_and_deleted(api: Api, kind: str) -> None:
    path = f"/{kind}/life"
    made = api.put(path, NEW[kind], If_None_Match="*")
    assert made.status_code == 201, made.text
    assert made.headers["Location"] == f"/api/v1{path}"
    first = made.json()
    assert first["id"] == "life"
    assert {name: value for name, value in first["value"].items() if isinstance(value, str) and name in NEW[kind]} == {
        name: value for name, value in NEW[kind].items() if isinstance(value, str)
    }
    assert len(first["value"]) > len(NEW[kind]) or kind == "audio", "defaults are written out"
    got = api.get(path)
    assert got.json() == first
    assert tag(got) == tag(made) == f'"{first["version"]}"'
    assert api.get(path, If_None_Match=tag(made)).status_code == 304
    assert any(row == first for row in api.ok("GET", f"/{kind}?limit=200")["items"])
    again = api.put(path, first["value"], If_Match=tag(made))
    assert (again.status_code, again.json()) == (200, first), "what was read can be written as it is"

    changed = api.patch(path, {"name": "Another name"}, If_Match=tag(made))
    assert changed.status_code == 200
    assert changed.json()["value"] == {**first["value"], "name": "Another name"}
    assert tag(changed) != tag(made)
    assert api.get(path, If_None_Match=tag(made)).status_code == 200
    refused(api.put(path, NEW[kind], If_None_Match="*"), 412, "conflict")
    refused(api.put(path, NEW[kind]), 428, "precondition")
    refused(api.delete(path, If_Match=tag(made)), 412, "conflict")
    assert api.delete(path, If_Match=tag(changed)).status_code == 204
    refused(api.get(path), 404, "not-found")
    refused(api.delete(path), 404, "not-found")
    refused(api.patch(path, {"name": "x"}), 404, "not-found")
    refused(api.put(path, NEW[kind], If_Match="*"), 412, "conflict")


@pytest.mark.parametrize("at", [*GROUPS, "settings"])
def test_settings_there_is_one_of(api: Api, at: str) -> None:
    before = api.get(f"/{at}")
    value = before.json()["value"]
    assert api.put(f"/{at}", value, If_Match=tag(before)).json() == before.json()
    refused(api.put(f"/{at}", value), 428, "precondition")
    said = refused(api.put(f"/{at}", {**value, "nonsense": 1}, If_Match=tag(before)), 422, "document")
    assert [problem["path"].rpartition(".")[2] for problem in said["problems"]] == ["nonsense"]
    field, wrong = next((name, {"a": 1}) for name in value)
    refused(api.patch(f"/{at}", {field: wrong}), 422, "document")
    assert api.get(f"/{at}").json() == before.json(), "nothing of it was taken"
    refused(api.delete(f"/{at}"), 405)


def test_settings_cannot_reach_what_is_none_of_them(api: Api) -> None:
    users = api.ok("GET", "/users")
    for kind in ("users", "sip", "flows"):
        said = refused(api.patch("/settings", {kind: {}}), 422, "document")
        assert said["problems"][0]["path"] == kind
    assert api.ok("GET", "/users") == users


def test_a_stale_write_tells_both_values(api: Api) -> None:
    first = api.put("/users/stale", {"name": "One", "extension": "270"})
    api.ok("PATCH", "/users/stale", {"name": "Theirs"})
    said = refused(api.put("/users/stale", {"name": "Mine", "extension": "270"}, If_Match=tag(first)), 412, "conflict")
    conflict = said["conflict"]
    assert [conflict[who]["name"] for who in ("base", "theirs", "yours")] == ["One", "Theirs", "Mine"]
    assert conflict["path"] == "users.stale"
    assert f'"{conflict["version"]}"' == tag(api.get("/users/stale"))
    assert api.put("/users/stale", {"name": "Mine", "extension": "270"}, If_Match=f'"{conflict["version"]}"').status_code == 200
    api.ok("DELETE", "/users/stale")
    gone = refused(api.patch("/users/stale", {"name": "x"}, If_Match=tag(first)), 404)
    assert gone["hint"]
    for odd in ('W/"1"', "nonsense", '""', '"1", "2"', '"' + "9" * 400 + '"'):
        refused(api.put("/users/user-201", {"name": "x", "extension": "201"}, If_Match=odd), 412, "conflict")


def test_two_writers_of_different_fields_both_count(api: Api, client: Callable[..., Api]) -> None:
    api.ok("PUT", "/users/both", {"name": "Both", "extension": "271"})
    writers = [(client(), field, values) for field, values in (("email", [f"a{n}@x.test" for n in range(15)]), ("customer", [f"c{n}" for n in range(15)]))]
    start = threading.Barrier(len(writers))

    def write(who: Api, field: str, values: list[str]) -> None:
        start.wait()
        for value in values:
            answer = who.patch("/users/both", {field: value})
            assert answer.status_code in {200, 409}, answer.text
            while answer.status_code == 409:
                answer = who.patch("/users/both", {field: value})

    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(write, *each) for each in writers]:
            done.result()
    value = api.ok("GET", "/users/both")["value"]
    assert (value["email"], value["customer"]) == ("a14@x.test", "c14")


def test_of_two_who_replace_the_same_version_one_wins(api: Api, client: Callable[..., Api]) -> None:
    first = api.put("/users/race", {"name": "Race", "extension": "272"})
    clients = [client() for _ in range(6)]
    start = threading.Barrier(len(clients))

    def write(number: int) -> int:
        start.wait()
        return clients[number].put("/users/race", {"name": f"Writer {number}", "extension": "272"}, If_Match=tag(first)).status_code

    with ThreadPoolExecutor(len(clients)) as pool:
        codes = list(pool.map(write, range(len(clients))))
    assert sorted(codes) == [200] + [412] * 5
    assert api.ok("GET", "/users/race")["value"]["name"] == f"Writer {codes.index(200)}"


def test_of_two_who_make_the_same_object_one_wins(api: Api, client: Callable[..., Api]) -> None:
    clients = [client() for _ in range(4)]
    start = threading.Barrier(len(clients))

    def write(number: int) -> int:
        start.wait()
        return clients[number].put("/groups/race", {"name": f"Writer {number}"}, If_None_Match="*").status_code

    with ThreadPoolExecutor(len(clients)) as pool:
        assert sorted(pool.map(write, range(len(clients)))) == [201, 412, 412, 412]


# ---- what is wrong -----------------------------------------------------------------------------------------------


def test_every_mistake_of_an_object_is_told_and_nothing_is_kept(api: Api) -> None:
    before = api.get("/site").json()
    wrong = {"extension": 12, "mode": "pigeon", "forwarding": {"busy": [{"delay_seconds": -1}]}, "nonsense": None}
    said = refused(api.put("/users/wrong", wrong), 422, "document")
    paths = {problem["path"]: problem for problem in said["problems"]}
    assert {"users.wrong.name", "users.wrong.extension", "users.wrong.mode", "users.wrong.nonsense"} <= paths.keys()
    assert any(path.startswith("users.wrong.forwarding.busy[0]") for path in paths)
    assert all(problem["sentence"] for problem in paths.values())
    assert api.get("/site").json() == before


def test_a_reference_may_come_before_what_it_refers_to(api: Api) -> None:
    made = api.ok("PUT", "/devices/early", {"sip_user": "early", "owner": "late"})
    assert [problem["path"] for problem in made["problems"]] == ["devices.early.owner"]
    api.ok("PUT", "/users/late", {"name": "Late", "extension": "273"})
    assert api.ok("GET", "/devices/early")["problems"] == []
    taken = api.ok("PUT", "/users/twice", {"name": "Twice", "extension": "273"})
    assert taken["problems"][0]["path"] == "users.twice.extension"
    for path in ("/users/twice", "/devices/early", "/users/late"):
        api.ok("DELETE", path)


@pytest.mark.parametrize("id", ["Noor", "no or", "-x", "x" * 64, "%C3%A9", "x%00y", "a.b", 'a"b'])
def test_an_id_that_is_none(api: Api, id: str) -> None:
    for method in ("GET", "DELETE", "PATCH"):
        assert api.ask(method, f"/users/{id}", {} if method == "PATCH" else None).status_code in {404, 405}
    answer = api.put(f"/users/{id}", NEW["users"])
    assert answer.status_code in {422, 404, 405}, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("raw", "status", "code", "said"),
    [
        (b"", 422, "document", "must be an object"),
        (b"[]", 422, "document", "must be an object"),
        (b"null", 422, "document", "must be an object"),
        (b"{", 400, "json", "not JSON"),
        (b'{"name": "a", "name": "b", "extension": "280"}', 400, "json", '"name" stands twice'),
        (b'{"name": "a", "extension": "280", "forwarding": {"voicemail": true, "voicemail": false}}', 400, "json", "stands twice"),
        (b'{"name": "\xff", "extension": "280"}', 400, "json", "UTF-8"),
        (b'\xef\xbb\xbf{"name": "a", "extension": "280"}', 400, "json", "not JSON"),
        (b'{"name": "\\ud800", "extension": "280"}', 400, "json", "half a character"),
        (b'{"\\udfff": 1}', 400, "json", "half a character"),
        (b'{"ring_seconds": NaN}', 400, "json", "NaN"),
        (b'{"ring_seconds": 1e999}', 400, "json", "too large"),
        (b'{"ring_seconds": ' + b"9" * 5000 + b"}", 400, "json", ""),
        (b'{"name": ' + b"[" * 30000 + b"]" * 30000 + b"}", 400, "json", "nested too deeply"),
        (b'{"a":' * 60 + b"1" + b"}" * 60, 400, "json", "nested too deeply"),
        (b'{"name": "' + b"x" * 2_000_000 + b'"}', 413, "too-large", "too large"),
        (b'{"name": "' + b"x" * 900_000 + b'", "extension": "280"}', 422, "document", ""),
        (b'{"name": "line\\nbreak", "extension": "280"}', 422, "document", ""),
    ],
)  # fmt: skip
def test_bodies_that_are_none(api: Api, raw: bytes, status: int, code: str, said: str) -> None:
    told = refused(api.ask("PUT", "/users/body", raw=raw), status, code)
    assert said in json.dumps(told, ensure_ascii=False).replace("\\", "")
    refused(api.get("/users/body"), 404)
    assert api.get("/me").status_code == 200, "the connection goes on"


def test_a_number_that_no_field_can_hold_is_kept_and_told(api: Api) -> None:
    made = api.ask("PUT", "/users/endless", raw=b'{"ring_seconds": ' + b"9" * 400 + b', "name": "a", "extension": "282"}')
    assert made.status_code == 201, made.text
    assert [problem["path"] for problem in made.json()["problems"]] == ["users.endless.ring_seconds"]
    assert api.ok("GET", "/users/endless")["value"]["ring_seconds"] == int("9" * 400)
    api.ok("DELETE", "/users/endless")


def test_a_body_of_another_type(api: Api) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/merge-patch+json", "application/jsonx"):
        refused(api.ask("PUT", "/users/body", raw=b'{"name": "a"}', Content_Type=kind), 415, "media-type")
    assert api.ask("PATCH", "/users/user-202", raw=b'{"customer": "z"}', Content_Type="application/merge-patch+json").status_code == 200


ODD = ("Zoë Ångström-Çelik", "名前", "<script>alert(1)</script>", "'; DROP TABLE users; --", "{{ 7*7 }}", "\U0001f9d1\u200d\U0001f680")


@pytest.mark.parametrize("name", ODD)
def test_names_of_all_sorts_come_back_as_they_were(api: Api, name: str) -> None:
    api.ok("PATCH" if api.get("/users/named").is_success else "PUT", "/users/named", {"name": name, "extension": "281"})
    answer = api.get("/users/named")
    assert answer.json()["value"]["name"] == name
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_pages_of_a_list(api: Api) -> None:
    for number in range(7):
        api.ok("PUT", f"/schedules/page-{number}", {"name": f"Page {number}"})
    seen: list[str] = []
    query = "limit=3"
    while True:
        found = api.ok("GET", f"/schedules?{query}")
        assert len(found["items"]) <= 3
        seen += [row["id"] for row in found["items"]]
        if len(seen) == 3:
            api.ok("DELETE", f"/schedules/{seen[-1]}")  # the cursor goes on behind what is gone
        if found["next"] is None:
            break
        query = f"limit=3&cursor={found['next']}"
    assert seen == sorted(set(seen))
    assert [id for id in seen if id.startswith("page-")] == [f"page-{number}" for number in range(7)]
    for wrong in ("limit=0", "limit=201", "limit=x", "cursor=%25", "cursor=_", "page=2", "limit=1&limit=2"):
        refused(api.get(f"/schedules?{wrong}"), 422, "document")


def test_addresses_and_methods_there_are_not(api: Api) -> None:
    refused(api.get("/nonsense"), 404)
    refused(api.get("/users/a/b"), 404)
    said = api.ask("POST", "/users", {})
    refused(said, 405)
    assert "GET" in said.headers["Allow"]
    refused(api.ask("BREW", "/users"), 405)


# ---- the whole ---------------------------------------------------------------------------------------------------


def test_the_whole_site_is_read_and_replaced(api: Api) -> None:
    before = api.get("/site")
    whole = before.json()["value"]
    assert whole["users"]["user-201"]["extension"] == "201"
    refused(api.put("/site", whole), 428, "precondition")
    changed = {**whole, "name": "Renamed"}
    answer = api.put("/site", changed, If_Match=tag(before))
    assert answer.status_code == 200, answer.text
    assert answer.json()["value"]["name"] == "Renamed"
    said = refused(api.put("/site", whole, If_Match=tag(before)), 412, "conflict")
    assert said["conflict"]["theirs"]["name"] == "Renamed"
    wrong = {**whole, "users": {**whole["users"], "user-202": {"name": "x", "extension": "201"}}}
    said = refused(api.put("/site", wrong, If_Match="*"), 422, "document")
    assert any("201 is taken" in problem["sentence"] for problem in said["problems"])
    assert api.get("/site").json() == answer.json()
    assert api.get("/site?revision=1").json()["value"]["name"] == "Tidewater Family Clinic"
    refused(api.get("/site?revision=99"), 404, "not-found")
    api.ok("PUT", "/site", whole, If_Match="*")


# ---- secrets -----------------------------------------------------------------------------------------------------


def test_secrets_go_in_and_never_come_out(api: Api) -> None:
    made = api.ok("PUT", "/devices/safe", {"sip_user": "safe", "extension": "290", "secret": "tangerine-moonlight-4"})
    assert made["secrets"] == ["secret"]
    assert "secret" not in made["value"]
    changed = api.ok("PATCH", "/devices/safe", {"secret": "velvet-harbour-9921", "name": "Safe"})
    assert (changed["value"]["name"], changed["secrets"]) == ("Safe", ["secret"])
    assert api.put("/devices/safe", changed["value"], If_Match="*").json()["secrets"] == ["secret"], "left out, it stays"
    for path in ("/devices/safe", "/devices?limit=200", "/site", "/commits/pending", "/commits/check", "/secrets?limit=200"):
        text = api.get(path).text
        assert "velvet-harbour" not in text
        assert "tangerine" not in text
    pending = [change for change in api.ok("GET", "/commits/pending")["changes"] if change["path"] == "devices.safe.secret"]
    assert [change["hidden"] for change in pending] == [True]
    said = refused(api.patch("/devices/safe", {"secret": "safe"}), 422, "document")
    assert said["problems"][0]["path"] == "devices.safe.secret"
    assert '"safe"' not in json.dumps(said["problems"]), "a refusal does not repeat it"
    refused(api.patch("/devices/safe", {"secret": 12345678}), 422, "document")
    refused(api.put("/devices/safe", {"sip_user": "safe", "secret": "velvet-harbour-9921"}, If_Match='"1"'), 412)
    conflict = refused(api.put("/devices/safe", {"sip_user": "safe", "secret": "velvet-harbour-9921"}, If_Match='"1"'), 412)
    assert "velvet" not in json.dumps(conflict)
    refused(api.post("/secrets/reveal", {"name": "devices.safe.secret"}), 404)  # not in force yet
    api.ok("DELETE", "/devices/safe")


def test_a_look_at_a_secret_is_on_record(api: Api) -> None:
    assert api.ok("POST", "/secrets/reveal", {"name": "devices.phone-201.secret"})["value"] == "secret-201"
    seen = api.ok("GET", "/secrets/reveals?limit=1")
    assert (seen["items"][0]["name"], seen["items"][0]["who"]) == ("devices.phone-201.secret", f"token {api.name}")
    refused(api.post("/secrets/reveal", {"name": "users.user-201.password"}), 422, "vault")
    refused(api.post("/secrets/reveal", {"name": "devices.none.secret"}), 404, "not-found")
    names = {row["name"]: row for row in api.ok("GET", "/secrets?limit=200")["items"]}
    assert names["devices.phone-201.secret"]["is_set"]
    assert not names["users.user-202.password"]["is_set"]


def test_a_secret_is_taken_away_by_null(api: Api) -> None:
    api.ok("PATCH", "/users/user-201", {"password": None})
    changes = {change["path"]: change for change in api.ok("GET", "/commits/pending")["changes"]}
    assert changes["users.user-201.password"]["hidden"]
    api.ok("POST", "/commits/discard", {"paths": ["users.user-201.password"]})
