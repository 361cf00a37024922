"""Incoming numbers: the pages show where each one leads, hop by hop, with links to what can be changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.pages import Pages
from tests.support.sites import add_number
from tests.support.web import office


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    site = office()
    add_number(site, "+12125550101", "202")
    made = Pages(tmp_path, site)
    editor = made.editor()
    editor.set("users.user-202.name", "Priya Raman")
    editor.set("mailboxes.priya", {"name": "Priya", "owner": "user-202"})
    editor.set("schedules.desk", {"name": "Desk hours"})
    steps = {
        "h": {"type": "schedule", "settings": {"schedule": "desk"}, "exits": {"open": "d", "closed": "e"}},
        "d": {"type": "dial", "settings": {"targets": [{"user": "user-202"}, {"user": "ghost"}], "forwarding": True}, "exits": {"busy": "e"}},
        "e": {"type": "hang-up"},
    }
    editor.set("flows.menu", {"name": "Main menu", "start": "h", "steps": steps})
    editor.set("numbers.main", {"number": "+12125550100", "destination": {"kind": "flow", "target": "menu"}})
    editor.set("numbers.gone", {"number": "+12125550102", "destination": {"kind": "extension", "target": "999"}})
    editor.set("numbers.none", {"number": "+12125550103"})
    return made


def test_the_list_says_where_numbers_lead_and_what_comes_then(pages: Pages) -> None:
    words = pages.get("/lines/numbers/").words
    assert "202 Priya Raman then Voicemail box Priya" in words
    assert "Flow Main menu then 202 Priya Raman, ghost (does not exist) then Voicemail box Priya" in words
    assert "Extension 999, which nobody has" in words
    assert "Nowhere yet" in words


def test_the_page_of_a_number_draws_the_way_of_a_call(pages: Pages) -> None:
    shown = pages.get("/lines/numbers/main")
    assert "Where a call goes A call to +12125550100 Flow Main menu by the hours of Desk hours 202 Priya Raman" in shown.words
    for address in ("/flows/flow/menu", "/people/users/user-202", "/flows/mailboxes/priya"):
        assert f'href="{address}"' in shown.text
    assert '<li class="stop lost">' in shown.text, "somebody who does not exist"
    assert "Where a call goes" not in pages.get("/lines/numbers/new").words
