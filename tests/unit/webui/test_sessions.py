"""Sessions on disk, and forms kept sealed."""

import sqlite3

import pytest

from appliance.errors import StateError
from webui.sessions import Kept, Preferences, Sessions, csrf_of, hashed


@pytest.fixture
def sessions(tmp_path):
    return Sessions(tmp_path / "web")


def test_a_session_outlives_the_process(sessions, tmp_path):
    token = sessions.begin("administrators.dana", "stamp", "192.168.1.7", "Firefox")
    found = Sessions(tmp_path / "web").find(token)
    assert (found.account, found.stamp, found.address, found.agent) == ("administrators.dana", "stamp", "192.168.1.7", "Firefox")
    assert found.id == hashed(token)
    assert 0 <= found.idle_s < 5


def test_the_file_signs_nobody_in(sessions, tmp_path):
    token = sessions.begin("administrators.dana", "stamp", "", "")
    content = b"".join(path.read_bytes() for path in (tmp_path / "web").iterdir())
    assert token.encode() not in content
    assert (tmp_path / "web" / "sessions.db").stat().st_mode & 0o777 == 0o600
    assert sessions.find(hashed(token)) is None
    assert sessions.find("") is None


def test_ending_one_and_all(sessions):
    a, b, c = (sessions.begin("administrators.dana", "s", "", "") for _ in range(3))
    other = sessions.begin("administrators.luis", "s", "", "")
    sessions.end(sessions.find(a))
    assert sessions.find(a) is None
    assert sessions.end_all("administrators.dana", but=sessions.find(b).id) == 1
    assert sessions.find(b)
    assert sessions.find(c) is None
    assert sessions.find(other)
    assert len(sessions.of("administrators.dana", 1800.0)) == 1


def test_another_boot_means_signing_in_again(sessions, tmp_path):
    token = sessions.begin("administrators.dana", "s", "", "")
    with sqlite3.connect(tmp_path / "web" / "sessions.db") as connection:
        connection.execute("UPDATE sessions SET boot = 'another'")
    assert sessions.find(token) is None


def test_preferences(sessions):
    assert sessions.preferences("x") == Preferences()
    sessions.prefer("x", Preferences("sv", "dark"))
    assert sessions.preferences("x") == Preferences("sv", "dark")


def test_a_kept_form_opens_with_the_browsers_token_alone(sessions, tmp_path):
    kept = Kept("/people/new", "administrators.dana", (("name", "Zoë"), ("password", "hush hush hush")))
    id = sessions.keep(kept, "token")
    assert sessions.kept(id, "token") == kept
    assert sessions.kept(id, "another") is None
    assert sessions.kept("nothing", "token") is None
    assert b"hush" not in b"".join(path.read_bytes() for path in (tmp_path / "web").iterdir())
    assert sessions.kept(id, "token", forget=True) == kept
    assert sessions.kept(id, "token") is None


def test_browsers_are_remembered_per_account(sessions):
    token = sessions.remember("administrators.dana", "")
    assert sessions.device(token) == "administrators.dana"
    assert sessions.remember("administrators.dana", token) == token
    assert sessions.remember("administrators.luis", token) != token
    assert sessions.device("made up") == ""


def test_a_damaged_file_is_begun_anew(tmp_path):
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "sessions.db").write_bytes(b"not a database at all" * 100)
    sessions = Sessions(tmp_path / "web")
    assert sessions.find(sessions.begin("administrators.dana", "s", "", ""))


def test_a_disk_that_refuses_is_said(tmp_path):
    (tmp_path / "web").write_text("a file where the folder should be")
    with pytest.raises(StateError):
        Sessions(tmp_path / "web").begin("administrators.dana", "s", "", "")


def test_the_token_of_forms_is_not_the_cookie():
    assert csrf_of("a") != csrf_of("b")
    assert "a" * 20 not in csrf_of("a" * 20)
