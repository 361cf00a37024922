"""holdfast flow and holdfast emergency proof, by the worker processes they start."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.test_site import SITE, Run, answer, bad, data, good, refusal, run, write

__all__ = ["data", "run"]

MENU = """
[users.eli]
name = "Eli Ray"
extension = "206"

[devices.eli-desk]
owner = "eli"
sip_user = "eli-desk"
secret = "kh4-vw9-qqx-4zt"

[numbers.main]
number = "+12125550100"
destination = { kind = "flow", target = "menu" }

[schedules.office]
name = "Office hours"
periods = [{ days = ["mon", "tue", "wed", "thu", "fri"], start = "08:00", end = "17:00" }]

[flows.menu]
name = "Menu"
start = "open"
extensions = ["300"]

[flows.menu.steps]
open = { type = "schedule", settings = { schedule = "office" }, exits = { open = "ask", closed = "bye" } }
ask = { type = "prompt", settings = { text = "Press 1 for Eli", choices = ["1"] }, exits = { 1 = "eli", timeout = "bye" } }
eli = { type = "ring-user", settings = { user = "eli" }, exits = { no-answer = "bye", busy = "bye", failed = "bye" } }
bye = { type = "say", settings = { text = "Goodbye" } }
"""


@pytest.fixture
def menu(run: Run, tmp_path: Path) -> Run:
    good(run("site", "import", write(tmp_path, SITE + MENU)))
    return run


def test_where_a_number_leads_is_shown_hop_by_hop(menu: Run) -> None:
    assert "flow Menu by the hours of Office hours\n  then user Eli Ray" in good(menu("flow", "leads", "+12125550100"))
    assert answer(menu("flow", "leads", "main", "--json"))["levels"][1][0]["words"] == "user Eli Ray"
    bad(menu("flow", "leads", "+12125550109"), 'There is no incoming number "+12125550109"', "+12125550100")


def test_flows_are_listed_with_what_leads_to_them(menu: Run) -> None:
    rows = {row["id"]: row for row in answer(menu("flow", "list", "--json"))["flows"]}
    assert rows["menu"] == {"id": "menu", "name": "Menu", "steps": 4, "extensions": ["300"], "numbers": ["+12125550100"], "users": []}
    assert rows["house"]["users"] == ["dana", "eli"]
    assert "Dialled through by" in good(menu("flow", "list"))
    assert [row["id"] for row in answer(menu("flow", "list", "--revision", "1", "--json"))["flows"]] == ["house"]


def test_a_flow_is_shown_step_by_step(menu: Run) -> None:
    out = good(menu("flow", "show", "menu"))
    assert out.splitlines()[0] == "Menu (menu), called by 300"
    for words in (
        "  1 Schedule  open",
        'schedule = "office"',
        "open -> 2 ask",
        "closed -> 3 bye",
        "  2 Prompt  ask",
        "key 1 -> 4 eli",
        "nothing pressed -> 3 bye",
    ):
        assert words in out, out
    shown = answer(menu("flow", "show", "menu", "--json"))
    assert [step["number"] for step in shown["steps"]] == [1, 2, 3, 4]
    bad(menu("flow", "show", "meny"), 'There is no flow "meny"', 'did you mean "menu"?')


def test_a_flow_with_mistakes_is_shown_as_well(menu: Run) -> None:
    good(menu("site", "set", "flows.menu.steps.lost", '{"type": "nonsense", "exits": {"on": "nowhere"}}'))
    good(menu("site", "set", "flows.menu.steps.ask.settings.choices", '"1"'))
    out = good(menu("flow", "show", "menu"))
    assert "nonsense  lost  (never reached)" in out
    assert "on -> nowhere, which is no step" in out
    assert "1 -> 4 eli" in out


def test_a_call_from_outside_is_walked(menu: Run) -> None:
    out = good(menu("flow", "simulate", "+12125550100", "--from", "+12125550177", "--at", "2026-11-25T10:00", "--keys", "1"))
    for words in ("menu.open", "menu.ask", "hears: Press 1 for Eli", "menu.eli", "rings: Eli Ray", "Eli Ray answers"):
        assert words in out, out
    night = good(menu("flow", "simulate", "+12125550100", "--at", "2026-11-25 22:00"))
    assert "closed -> bye" in night
    assert "hears: Goodbye" in night
    nobody = answer(menu("flow", "simulate", "+12125550100", "--at", "2026-11-25T10:00", "--keys", "1", "--if", "eli=busy", "--json"))
    assert [visit["step"] for visit in nobody["visits"]] == ["open", "ask", "eli", "bye"]
    assert answer(menu("flow", "simulate", "+12125550100", "--at", "2026-11-25T10:00", "--keys", "1", "--others", "no-answer", "--json"))["how"] != "answered"


def test_what_a_user_dials_is_walked(menu: Run) -> None:
    assert "Eli Ray answers" in good(menu("flow", "simulate", "206", "--as", "dana"))
    urgent = answer(menu("flow", "simulate", "911", "--as", "dana", "--json"))
    assert (urgent["how"], urgent["visits"]) == ("emergency", [])
    assert "The caller is refused" in good(menu("flow", "simulate", "5551", "--as", "dana"))


def test_wrong_words_are_told(menu: Run) -> None:
    bad(menu("flow", "simulate", "206", "--as", "danna"), "danna", 'did you mean "dana"?')
    bad(menu("flow", "simulate", "999999"), "is neither a number nor an extension of this site")
    bad(menu("flow", "simulate", "206", "--at", "noon"), "noon is not a time", "18:30")
    bad(menu("flow", "simulate", "206", "--if", "dana"), "is not WHO=WHAT")
    bad(menu("flow", "simulate", "206", "--if", "dana=asleep"), "is not WHO=WHAT", "no-answer")
    bad(menu("flow", "simulate", "300", "--if", "nobody=busy"), "nobody")
    bad(menu("flow", "simulate", "300", "--keys", "abc"), "are not keys of a telephone")
    assert refusal(menu("flow", "simulate", "300", "--at", "x", "--json"))["code"] == "situation"
    bad(menu("flow", "simulate", "206", "--revision", "7"), "There is no site revision 7")
    good(menu("site", "set", "country", "ZZ"))
    bad(menu("flow", "simulate", "206", "--as", "dana"), "country")


def test_a_time_of_day_is_today_where_the_site_is(menu: Run) -> None:
    good(menu("site", "set", "time_zone", "Pacific/Auckland"))
    assert answer(menu("flow", "simulate", "+12125550100", "--at", "03:00", "--json"))["visits"][0]["exit"] == "closed"
    good(menu("site", "set", "time_zone", "Nowhere/Land"))
    answer(menu("flow", "simulate", "300", "--at", "03:00", "--json"))


@pytest.mark.row("Z2")
def test_the_emergency_proof_is_a_table_of_phones_and_numbers(menu: Run) -> None:
    out = good(menu("emergency", "proof"))
    for words in ("Dana Reyes, Eli Ray", "a phone nobody knows", "911 over Acme", "+12125550100", "calls proved"):
        assert words in out, out
    found = answer(menu("emergency", "proof", "--json"))
    assert found["cases"] == 3 * 2 * 6
    assert found["groups"][0]["calls"][0] == {"number": "911", "sent": {"Acme": "911"}, "problem": ""}


def test_a_proof_that_fails_says_why_and_ends_with_1(menu: Run) -> None:
    good(menu("site", "commit"))
    good(menu("site", "unset", "trunks.acme"))
    bad(menu("emergency", "proof"), "no emergency call would leave", "add the new trunk before removing the last one", "there is no trunk")
    assert json.loads(menu("emergency", "proof", "--json").stdout)["problems"][0]["path"] == "trunks"
    good(menu("site", "set", "users.dana.extension", "5"))
    bad(menu("emergency", "proof"), "cannot be read, so nothing can be proved", "users.dana.extension")


def test_kinds_of_steps_are_listed_with_what_they_ask_for(run: Run) -> None:
    out = good(run("flow", "kinds"))
    assert "voicemail" in out
    assert "Speaks or plays, waits for keys" in out
    out = good(run("flow", "kinds", "dial"))
    assert "targets[].user" in out
    assert answer(run("flow", "kinds", "dial", "--json"))["kinds"][0]["fields"][0]["control"] == "rows"
    bad(run("flow", "kinds", "dail"), 'There is no kind of step "dail"', "dial")


def test_a_flow_is_made_and_what_it_lacks_is_shown(menu: Run) -> None:
    good(menu("flow", "new", "evening", "Evening menu", "--from", "menu"))
    out = good(menu("flow", "show", "evening"))
    assert "! flows.evening.steps.sales.settings.targets is missing" in out
    good(menu("flow", "new", "second", "Second", "--copy", "menu"))
    assert answer(menu("flow", "show", "second", "--json"))["extensions"] == []
    bad(menu("flow", "new", "second", "Again"), 'There is a flow "second" already')
    bad(menu("flow", "new", "third", "Third", "--from", "manu"), 'called "manu"')
    assert answer(menu("flow", "simulate", "--in", "second", "--at", "2026-11-25T22:00", "--json"))["visits"][0]["exit"] == "closed"
