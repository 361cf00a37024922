"""The sound of a call in pages, files and the API: one whose called side never sends a packet, while it is up and after."""

import csv
import io
import sqlite3
from contextlib import closing
from datetime import date, timedelta

import pytest

from tests.bench.common import register_one
from tests.support.api import Api
from tests.support.carrier import Carrier, answer
from tests.support.proc import wait_until
from tests.support.rtp import Mute
from tests.support.sites import secret
from tests.support.web import Visitor, Web, office


@pytest.fixture(scope="module")
def silent(tmp_path_factory):
    """A box on which 201 talks to 202, whose phone sends nothing; the call's id, seen by the box as bad."""
    with Web(tmp_path_factory.mktemp("sound"), office(), engine=True) as web, Carrier(formats=("0",)) as caller, Carrier(formats=("0",)) as called:
        called.make_rtp = lambda call: Mute()
        called.plan = [answer()]
        register_one(web.box, called, "202")
        call = caller.call(web.box.uri("202"), web.box.sip, from_uri=web.box.uri("201"), user="201", secret=secret("201"))
        call.wait_answer()
        (row,) = wait_until(lambda: [row for row in web.box.calls() if row["bad_sound"]], 20, "bad sound seen")
        yield web, row["id"], call


@pytest.mark.timeout(120)
def test_one_way_sound_is_shown_while_the_call_is_up_and_kept_after(silent):
    web, session, call = silent
    visitor = Visitor(web)
    visitor.sign_in()
    # While it is up: the score in the list, and on its page who hears nothing, why, and what to do.
    now = wait_until(lambda: (page := visitor.get("/calls/now").text) and "1.0" in page and page, 15, "the score under Now")
    assert "Sound" in now
    page = visitor.get(f"/calls/log/{session}?wait").text
    assert "201 User 201 heard nothing: no packets came from 202 User 202 for " in page
    assert "Set the address of the phone 202 User 202" in page
    assert "202 User 202 to the box" in page
    assert "not told" in page  # the caller's phone sends no reports
    # Rows of the ladder are buttons, the chosen one shows as text.
    assert 'name="m" value="1"' in page
    assert "SIP/2.0" in visitor.get(f"/calls/log/{session}?m=1&wait").text
    text = visitor.get(f"/calls/log/{session}/messages")
    assert text.headers["content-type"].startswith("text/plain")
    assert "INVITE sip:202@" in text.text
    assert "Authorization: Digest" not in text.text or 'response="' not in text.text
    call.hangup()
    wait_until(lambda: web.box.rpc("calls.history", call=session)["calls"], 10, "the record")
    # After it: the record says the same, the log finds it by its sound and day, the file has its figures.
    assert "heard nothing: no packets came from 202 User 202" in visitor.get(f"/calls/log/{session}?wait").text
    today, tomorrow = date.today(), date.today() + timedelta(days=2)
    assert session in visitor.get(f"/calls/?wait&sound=bad&since={today - timedelta(days=2)}&until={tomorrow}").text
    assert "No call matches." in visitor.get(f"/calls/?wait&sound=bad&since={tomorrow}").text
    assert visitor.get("/calls/?wait&since=nonsense&until=0000-99-99&sound=loud").status == 200
    answer_ = visitor.post("/calls/export", {"sound": "bad"}, page="/calls/?wait")
    (row,) = csv.DictReader(io.StringIO(answer_.text.removeprefix("\ufeff")))
    assert (row["call"], row["score"], row["bad_sound"], row["caller_sent_lost_percent"]) == (session, "1.0", "yes", "0.0")
    assert row["sound_findings"].startswith("201 User 201 heard nothing")
    diagnosed = visitor.get("/diag/?wait").text
    assert f"/calls/log/{session}" in diagnosed
    assert "heard nothing" in diagnosed


def test_the_api_and_the_command_say_the_same(silent):
    web, session, _ = silent
    api = Api(web, "read")
    (row,) = api.get("/history?bad_sound=true").json()["items"]
    assert row["sound"]["findings"][0]["code"] == "one-way"
    assert api.get(f"/calls/{session}/sound").json()["sound"] == row["sound"]
    assert api.get("/calls/none-such/sound").status_code == 404
    assert "heard nothing" in web.cli("calls", "show", session)
    assert session in web.cli("calls", "history", "--bad-sound")
    assert "heard nothing" in web.cli("diagnose")


def test_a_call_of_an_older_release_says_that_it_was_not_measured(silent):
    web, session, _ = silent
    with closing(sqlite3.connect(web.data / "state" / "state.db", timeout=10)) as connection, connection:
        connection.execute("UPDATE call_records SET sound = '', score = NULL, bad_sound = NULL")
    visitor = Visitor(web)
    visitor.sign_in()
    assert "Not measured." in visitor.get(f"/calls/log/{session}?wait").text
    assert "not measured" in visitor.get("/calls/?wait").text
    assert "not measured" in web.cli("calls", "show", session)
