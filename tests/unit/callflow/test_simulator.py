"""What would happen: the same steps as in a call, and a sentence at the end."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.callflow.simulator import Simulation, Situation, simulate
from appliance.errors import NotFound
from tests.unit.callflow.fakes import NOW, flow, raw_site, snapshot_of

MAIN = {
    **flow(
        ("hours", "schedule", {"schedule": "hours"}, {"open": "menu", "closed": "night"}),
        ("menu", "prompt", {"text": "Press 1 for sales, 2 for Lee.", "choices": ["1", "2"], "tries": 2}, {"1": "sales", "2": "lee", "timeout": "vm"}),
        ("sales", "dial", {"targets": [{"group": "sales"}]}, {"no-answer": "vm"}),
        ("lee", "dial", {"targets": [{"user": "lee"}], "forwarding": True}, {"no-answer": "vm"}),
        ("vm", "voicemail", {"mailbox": "office"}, {"done": "end"}),
        ("night", "dial", {"targets": [{"user": "night"}]}, {}),
        ("end", "hang-up", {}, {}),
    ),
}
SITE: dict[str, Any] = {
    "time_zone": "America/New_York",
    "users": {
        "lee": {"name": "Lee", "extension": "207", "forwarding": {"no_answer": [{"number": "912025550147", "ring_seconds": 12}]}},
        "night": {"name": "Night", "extension": "500", "mode": "flow", "flow": "closed"},
        "lost": {"name": "Lost", "extension": "210", "flow": ""},
    },
    "numbers": {"main": {"number": "+12125550100", "destination": {"kind": "flow", "target": "main"}}},
    "flows": {"main": MAIN, "closed": flow(("say", "say", {"text": "Closed, {caller}."}, {}))},
}
OPEN = datetime(2026, 11, 17, 10, 15)
SNAPSHOT = snapshot_of(**SITE)


def what(**situation: Any) -> Simulation:
    return simulate(SNAPSHOT, Situation(**{"number": "+12125550100", "at": OPEN, "caller": "+13035550100", **situation}), NOW)


def way(result: Simulation) -> list[str]:
    return [f"{visit.step}:{visit.exit}" for visit in result.visits]


@pytest.mark.row("Z6")
def test_a_menu_and_who_answers() -> None:
    result = what(keys="2")
    assert way(result) == ["hours:open", "menu:2", "lee:"]
    assert result.visits[1].said == ("Press 1 for sales, 2 for Lee.",)
    assert result.visits[2].rang == ("Lee",)
    assert (result.end, result.how) == ("Lee answers after 6 s.", "answered")


def test_nobody_there_ends_in_voicemail_and_the_seconds_are_right() -> None:
    result = what(keys="1", others="no-answer")
    assert way(result)[-3:] == ["sales:no-answer", "vm:done", "end:"]
    assert result.how == "voicemail" and result.end.startswith('Ends in voicemail "Office" after ')
    # A key after a second, 30 s of ringing, the greeting at 14 characters a second, tone, ten seconds of message, the goodbye.
    assert result.visits[2].at_s == 31.0


def test_what_one_person_does_and_the_others_do() -> None:
    result = what(keys="1", people={"lee": "answers", "dana": "busy"}, others="no-answer")
    assert result.end == "Lee answers after 6 s."
    forwarded = what(keys="2", people={"lee": "no-answer"})
    assert forwarded.visits[-1].rang == ("Lee", "+12025550147")
    assert forwarded.end == "+12025550147 answers after 36 s."
    assert what(keys="2", people={"lee": "no-answer"}, internet=False).how == "voicemail"


def test_nothing_pressed_goes_the_way_of_the_time_out() -> None:
    assert way(what())[1] == "menu:timeout"


def test_the_time_of_the_site_counts_and_a_user_who_is_a_flow_runs_it() -> None:
    result = what(at=datetime(2026, 11, 17, 22, 15))
    assert way(result) == ["hours:closed", "night:", "say:next"]
    assert result.visits[1].leads_to == "flow closed"
    assert result.visits[2].said == ("Closed, +13035550100.",)
    assert result.how == "ended"
    assert way(what(at=datetime(2026, 11, 18, 3, 15, tzinfo=UTC)))[0] == "hours:closed"


def test_what_users_dial() -> None:
    assert what(number="207", user="dana").end == "Lee answers after 5 s."
    assert what(number="912025550147", user="dana", internet=False).end == "The caller is refused after 0 s: No Outside Line Works (503)."
    assert what(number="207", user="lost").end.endswith("No dialling flow is set for Lost (403).")
    assert what(number="011442071838750", user="dana").how == "refused"
    assert what(number="207", user="dana", people={"lee": "unreachable"}, others="no-answer").how == "voicemail"
    assert what(number="607", user="lee").visits[0].said[0] == "New messages: 0. Old messages: 0."


def test_an_extension_called_from_outside() -> None:
    assert what(number="205").end == "Dana answers after 5 s."


@pytest.mark.parametrize("number", ["911", "9911", "112"])
def test_an_emergency_call_asks_no_flow(number: str) -> None:
    result = what(number=number, user="lost")
    assert result.how == "emergency" and result.visits == ()


def test_what_there_is_none_of_is_named() -> None:
    for situation, sentence in (
        ({"user": "dan"}, 'there is no user "dan"'),
        ({"number": "+12125550999"}, '"+12125550999" is neither a number nor an extension of this site'),
        ({"people": {"nobody": "busy"}}, 'there is no user or device "nobody"'),
    ):
        with pytest.raises(NotFound) as error:
            what(**situation)
        assert error.value.sentence == sentence


@given(
    st.text(alphabet="0123456789*#", max_size=8),
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),
    st.sampled_from(["answers", "no-answer", "busy", "unreachable"]),
    st.dictionaries(st.sampled_from(["dana", "lee", "door", "+12025550147"]), st.sampled_from(["answers", "no-answer", "busy", "unreachable"])),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_every_situation_has_an_end_and_its_way_follows_the_graph(keys: str, at: datetime, others: Any, people: Any, internet: bool) -> None:
    result = what(keys=keys, at=at, others=others, people=people, internet=internet)
    assert result.end.endswith(".") and result.seconds >= 0
    steps = SITE["flows"]
    for visit, following in zip(result.visits, result.visits[1:], strict=False):
        if visit.leads_to.startswith("flow "):
            assert following.step == steps[visit.leads_to.removeprefix("flow ")]["start"]
        else:
            assert visit.leads_to == following.step
        assert visit.at_s <= following.at_s


def job(payload: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-m", "appliance.worker", "simulate"], input=json.dumps(payload), capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_the_worker_job() -> None:
    document = raw_site(**SITE)
    result = job({"document": document, "situation": {"number": "+12125550100", "at": "2026-11-17T10:15:00", "keys": "2"}})["result"]
    assert result["end"] == "Lee answers after 6 s."
    assert result["visits"][1] == {
        "flow": "main", "step": "menu", "kind": "prompt", "exit": "2", "leads_to": "lee", "said": ["Press 1 for sales, 2 for Lee."], "rang": [], "at_s": 1.0,
    }  # fmt: skip
    error = job({"document": document, "situation": {"number": "207", "keys": "a"}})["error"]
    assert error["code"] == "situation" and error["sentence"].startswith("keys are not keys of a telephone")
    assert job({"document": {"users": 5}, "situation": {"number": "207"}})["error"]["code"] == "document"
    assert job({"document": document, "situation": {"number": "999"}})["error"]["code"] == "not-found"
