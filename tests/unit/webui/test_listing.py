"""Lists: pages and search."""

import time

import pytest

from appliance.site.document import parse
from appliance.site.editing import Editor
from appliance.site.store import SiteStore
from appliance.site.vault import Vault
from tests.support.web import office
from webui.app import create_app
from webui.config import Config
from webui.listing import found, marks, page


@pytest.fixture
def app(tmp_path):
    return create_app(Config(tmp_path, tmp_path / "none"))


@pytest.mark.parametrize(
    ("query", "first", "last", "before", "after"),
    [
        ("", 1, 50, "", "page=2"),
        ("page=2", 51, 100, "page=1", "page=3"),
        ("page=3", 101, 120, "page=2", ""),
        ("page=99", 101, 120, "page=2", ""),
        ("page=-1", 1, 50, "", "page=2"),
        ("page=x", 1, 50, "", "page=2"),
        ("page=" + "9" * 30, 1, 50, "", "page=2"),
        ("q=a%26b&page=2", 51, 100, "page=1", "page=3"),
    ],
)
def test_pages(app, query, first, last, before, after):
    with app.test_request_context(f"/people/?{query}"):
        made = page(list(range(120)))
        assert (made.first, made.last, made.total) == (first, last, 120)
        assert before in made.before
        assert bool(made.before) == bool(before)
        assert after in made.after
        assert bool(made.after) == bool(after)
        if "q=" in query:
            assert "q=a%26b" in made.after


def test_an_empty_list(app):
    with app.test_request_context("/people/"):
        made = page([])
        assert (made.first, made.last, made.total, made.before, made.after) == (0, 0, 0, "", "")


def test_every_word_must_be_there_whatever_the_case(app):
    rows = ["201 Dana Whitcomb", "204 Luis Ortega", "207 Zoë STRASSE"]
    with app.test_request_context("/people/"):
        assert found(rows, str, "dana 201") == rows[:1]
        assert found(rows, str, "dana 204") == []
        assert found(rows, str, "straße") == rows[2:]
        assert found(rows, str, "") == rows


def test_what_differs_from_what_is_in_force_is_marked(tmp_path):
    site, secrets = parse(office())
    SiteStore(tmp_path / "site").save(site, author="tests", comment="", now=time.time())
    Vault(tmp_path).put(secrets)
    editor = Editor(tmp_path, "tests")
    with create_app(Config(tmp_path, tmp_path / "none")).test_request_context("/people/"):
        assert marks("users") == {}
        editor.set("users.noor", {"name": "Noor", "extension": "260"})
        editor.set("users.user-202.name", "Luis")
        editor.delete("users.user-203")
        assert marks("users") == {"noor": "new", "user-202": "changed", "user-203": "changed"}
        assert marks("groups") == {}
