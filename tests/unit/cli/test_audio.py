"""holdfast audio: recordings come into the candidate, by the real sox, whether a box runs or not."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from appliance.cli.main import main
from appliance.site.editing import Editor
from appliance.site.install import install
from appliance.site.media import media_path
from appliance.site.sample import sample_site
from appliance.site.store import SiteStore
from appliance.site.vault import Vault
from appliance.sound import load


class Desk:
    """The command on a data folder with the sample site; no box runs on it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        install(SiteStore(self.data / "site"), Vault(self.data), sample_site(), {}, author="test", comment="")

    @property
    def editor(self) -> Editor:
        return Editor(self.data, "test")

    def run(self, *words: str) -> Result:
        environment = {"HOLDFAST_CONTROL": "", "HOLDFAST_DATA": str(self.data), "COLUMNS": "120", "TZ": "UTC", "USER": "dana", "SUDO_USER": ""}
        return CliRunner(env=environment).invoke(main, ["audio", *words])

    def tone(self, name: str = "a.wav", hz: int = 440, seconds: float = 1.0) -> str:
        subprocess.run(["sox", "-n", "-r", "44100", self.folder / name, "synth", str(seconds), "sine", str(hz)], check=True)
        return str(self.folder / name)

    def audio(self) -> dict[str, dict[str, str]]:
        return self.editor.show("audio").value


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_recording_is_added_committed_and_listed(desk: Desk) -> None:
    assert desk.run("list").output == "No recordings.\n"
    done = desk.run("add", "Main menu", desk.tone("menu.mp3", seconds=2))
    assert done.exit_code == 0, done.output
    assert "audio.main-menu: Main menu, 2 s" in done.output
    assert "holdfast site commit" in done.output
    entry = desk.audio()["main-menu"]
    assert entry["name"] == "Main menu"
    assert load(media_path(desk.data, entry["sha256"])).rate == 16_000
    desk.editor.commit("with a recording")
    assert SiteStore(desk.data / "site").current()[1].audio["main-menu"].sha256 == entry["sha256"]
    assert desk.run("list").output.splitlines()[1].split()[:3] == ["main-menu", "Main", "menu"]
    (row,) = json.loads(desk.run("list", "--json").output)["audio"]
    assert (row["id"], row["name"], row["sha256"]) == ("main-menu", "Main menu", entry["sha256"])
    assert row["seconds"] == pytest.approx(2, abs=0.1)


def test_one_of_the_same_name_is_replaced_and_a_rollback_has_the_old_one(desk: Desk) -> None:
    desk.run("add", "Menu", desk.tone(hz=400))
    old = desk.audio()["menu"]["sha256"]
    desk.editor.commit("old")
    revision = SiteStore(desk.data / "site").current()[0].number
    for name in ("Menu", "menu"):
        done = desk.run("add", name, desk.tone(hz=500))
        assert "in place of the one before" in done.output
    assert list(desk.audio()) == ["menu"]
    assert desk.audio()["menu"]["name"] == "Menu"
    assert desk.audio()["menu"]["sha256"] != old
    desk.editor.commit("new")
    desk.editor.rollback(revision)
    assert desk.audio()["menu"]["sha256"] == old
    assert load(media_path(desk.data, old)).seconds > 0


def test_the_box_speaks_a_text_and_a_recording_is_saved_as_a_file(desk: Desk) -> None:
    done = desk.run("speak", "Closed", "We are closed today.")
    assert done.exit_code == 0, done.output
    file = desk.folder / "closed.wav"
    assert f"{file}: " in desk.run("export", "Closed", str(file)).output
    assert load(file).seconds > 0.7
    assert "exists already" in desk.run("export", "closed", str(file)).output
    assert json.loads(desk.run("export", "closed", str(file), "--overwrite", "--json").output)["bytes"] == file.stat().st_size
    assert "no recording other" in desk.run("export", "other", str(file)).output
    assert json.loads(desk.run("speak", "Closed", "Hi", "--language", "xx-yy", "--json").output)["code"] == "speech-voice"
    assert json.loads(desk.run("speak", "Closed", " . ", "--json").output)["code"] == "speech-empty"


def test_the_list_says_who_plays_a_recording(desk: Desk) -> None:
    desk.run("add", "Greeting", desk.tone())
    desk.editor.set("mailboxes.alex", {"name": "Alex", "greeting": "greeting"})
    assert "mailboxes.alex.greeting" in desk.run("list").output
    assert json.loads(desk.run("list", "--json").output)["audio"][0]["uses"] == ["mailboxes.alex.greeting"]


def test_a_recording_is_removed_by_id_or_name(desk: Desk) -> None:
    desk.run("add", "One", desk.tone())
    desk.run("add", "Two", desk.tone(hz=500))
    assert "audio.one is taken out" in desk.run("remove", "One").output
    assert desk.run("remove", "two", "--json").output == '{"id": "two"}\n'
    assert desk.audio() == {}
    done = desk.run("remove", "two")
    assert done.exit_code == 1
    assert "no recording two" in done.output


def test_removing_clears_what_no_revision_has(desk: Desk) -> None:
    desk.run("add", "Kept", desk.tone())
    kept = media_path(desk.data, desk.audio()["kept"]["sha256"])
    desk.editor.commit("kept")
    desk.run("add", "Never committed", desk.tone(hz=500))
    never = media_path(desk.data, desk.audio()["never-committed"]["sha256"])
    for path in (kept, never):
        os.utime(path, (0, 0))
    desk.run("remove", "Never committed")
    assert never.exists(), "who edits at the same time may still want it"
    desk.run("remove", "Kept")
    desk.editor.commit("without")
    desk.run("add", "Other", desk.tone(hz=600))
    desk.run("remove", "Other")
    assert not never.exists()
    assert kept.exists(), "a rollback still plays it"


def test_a_recording_that_mailboxes_play_is_missed_by_the_check(desk: Desk) -> None:
    desk.run("add", "Greeting", desk.tone())
    desk.editor.set("mailboxes.alex", {"name": "Alex", "greeting": "greeting"})
    desk.run("remove", "Greeting")
    assert any(problem.path == "mailboxes.alex.greeting" for problem in desk.editor.check().problems)


@pytest.mark.parametrize("content", [b"", b"no sound at all", b"RIFF\0\0\0\0WAVE"])
def test_what_is_no_sound_changes_nothing(desk: Desk, content: bytes) -> None:
    file = desk.folder / "a.wav"
    file.write_bytes(content)
    done = desk.run("add", "Menu", str(file))
    assert done.exit_code == 1
    assert "a.wav" in done.output
    done = desk.run("add", "Menu", str(file), "--json")
    assert json.loads(done.output)["code"] == "sound-unknown"
    assert desk.run("add", "Menu", str(desk.folder / "none.wav")).exit_code == 1
    assert desk.audio() == {}
    assert desk.editor.pending() == ()


@pytest.mark.parametrize(
    ("name", "id"),
    [("Grüße, Frühling!", "grusse-fruhling"), ("  ÉTÉ 2026 ", "ete-2026"), ("a" * 79, "a" * 63), ("(x)", "x")],
    ids=["german", "french", "long", "brackets"],
)
def test_an_id_is_made_of_the_name(desk: Desk, name: str, id: str) -> None:
    desk.run("add", name, desk.tone())
    assert list(desk.audio()) == [id]


def test_a_name_without_letters_is_refused(desk: Desk) -> None:
    done = desk.run("add", "日本", desk.tone())
    assert done.exit_code == 1
    assert "no letter or digit" in done.output
    assert not list((desk.data / "media").glob("*.wav"))


def test_names_that_make_the_same_id_are_told_apart(desk: Desk) -> None:
    desk.run("add", "Main menu", desk.tone())
    done = desk.run("add", "Main, menu", desk.tone(hz=500))
    assert done.exit_code == 1
    assert "too much like Main menu" in done.output
    assert desk.audio()["main-menu"]["name"] == "Main menu"


def test_a_lost_file_is_said(desk: Desk) -> None:
    desk.run("add", "Menu", desk.tone())
    media_path(desk.data, desk.audio()["menu"]["sha256"]).unlink()
    assert "MISSING" in desk.run("list").output
