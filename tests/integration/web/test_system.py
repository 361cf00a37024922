"""The System page and what it shows over the API: what the box is, its licences, and that a restart is asked about."""

import pytest

from tests.support.api import Api, refused
from tests.support.proc import wait_until
from tests.support.web import Visitor, Web, office


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    with Web(tmp_path_factory.mktemp("system"), office(2), engine=True) as made:
        wait_until(lambda: made.box.rpc("health")["processes"], 20, "a look at the machine")
        yield made


def test_pages_and_api_say_what_the_box_is_and_is_made_of(web):
    visitor = Visitor(web)
    visitor.sign_in()
    with Api(web, "read") as api:
        said = wait_until(lambda: api.get("/system").status_code == 200 and api.ok("GET", "/system"), 20, "the system")
        page = visitor.get("/diag/system?wait=1").text
        for word in (said["kernel"], said["host"], said["system"], said["board_file"]["id"], "Phone engine", "Licence of Holdfast", "Flask"):
            assert word in page
        assert "GNU GENERAL PUBLIC LICENSE" in visitor.get("/diag/system/licence?wait=1").text
        assert "Redistribution and use" in visitor.get("/diag/system/licence?of=Flask&wait=1").text
        assert "is no part of this box" in visitor.get("/diag/system/licence?of=..%2F..%2Fetc%2Fpasswd&wait=1").text
        assert "Redistribution" in api.ok("GET", "/system/licences/Flask")["text"]
        refused(api.get("/system/licences/nothing-like-that"), 404, "not-found")
        health = api.ok("GET", "/health")
        assert {"disk", "clock", "memory", "data-folder"} <= {check["name"] for check in health["checks"]}
        shown = wait_until(lambda: "Data folder" in (text := visitor.get("/diag/health").text) and text, 20, "the page of it")
        assert "can be written" in shown
        refused(api.post("/restart", {"restart": "engine"}), 403)


def test_a_restart_is_asked_about_and_done(web):
    """Last in this file: without a supervisor nobody starts the engine again."""
    visitor = Visitor(web)
    visitor.sign_in()
    asked = visitor.get("/diag/system/restart?what=engine").text
    assert "No call is up now." in asked and "ring again within 5 seconds" in asked
    with Api(web, "commit") as api:
        refused(api.post("/restart", {"restart": "the moon"}), 422, "document")
    pid = web.box.pid()
    assert visitor.post("/diag/system/restart", {"what": "engine"}, page="/diag/system/restart").status == 303
    assert "The phone engine restarts now. No call was up." in visitor.get("/diag/system").text
    wait_until(lambda: web.box.said(r"a restart of the engine was asked for by uid \d+ \(pid \d+\): web, Dana"), 10, "on record")
    wait_until(lambda: web.box.program is not None and not web.box.program.running, 20, f"the end of {pid}")
