"""holdfast site edit: a real program for an editor; nothing typed is ever lost."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from appliance.cli.site_edit import editor_command
from appliance.errors import HoldfastError
from appliance.site.editing import Editor
from tests.unit.cli.test_site import Run, bad, data, good, made, office, run, value

__all__ = ["data", "made", "office", "run"]


def editor(folder: Path, code: str) -> str:
    """EDITOR: a program that changes the file named last by a line of Python on `text`."""
    program = folder / "editor.py"
    program.write_text(f"import pathlib, re, sys\nfile = pathlib.Path(sys.argv[-1])\ntext = file.read_text()\n{code}\nfile.write_text(text)\n")
    return f"{sys.executable} {program}"


def kept(output: str) -> Path:
    found = re.search(r"kept in (\S+)", output)
    assert found is not None, output
    return Path(found[1])


def test_a_part_is_edited_as_toml(office: Run, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    out = good(
        office("site", "edit", "users.dana", EDITOR=editor(tmp_path, f"pathlib.Path({str(seen)!r}).write_text(text)\ntext = text.replace('205', '210')"))
    )
    assert "extension of Dana Reyes: 205 -> 210" in out
    assert "1 change not in force yet" in out
    assert value(office, "users.dana.extension") == "210"
    lines = seen.read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == ["[users.dana]", 'name = "Dana Reyes"', 'extension = "205"']
    assert "Secrets are not shown" in seen.read_text()


def test_the_whole_site_and_a_new_object_are_edited(office: Run, tmp_path: Path) -> None:
    good(office("site", "edit", EDITOR=editor(tmp_path, "text = text.replace('Main office', 'Branch')")))
    assert value(office, "name") == "Branch"
    good(office("site", "edit", "users.eli", EDITOR=editor(tmp_path, 'text += \'name = "Eli Ray"\\nextension = "206"\\n\'')))
    assert value(office, "users.eli.name") == "Eli Ray"
    good(office("site", "edit", "site", EDITOR=editor(tmp_path, "text = text.replace('Branch', 'Harbour')")))
    assert value(office, "name") == "Harbour"
    good(office("site", "edit", "sip.codecs", EDITOR=editor(tmp_path, "text = '[sip]\\ncodecs = [\"pcmu\"]\\n'")))
    assert value(office, "sip.codecs") == ["pcmu"]


def test_leaving_without_a_change_changes_nothing(office: Run, tmp_path: Path) -> None:
    assert "was changed" in good(office("site", "edit", "users.dana", EDITOR="true"))
    assert "was changed" in good(office("site", "edit", "users.dana", EDITOR=editor(tmp_path, "text = text.replace('# users', '#  users')")))
    assert good(office("site", "diff")) == "Nothing is changed.\n"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("text += '\\n[['", "not valid TOML"),
        ("text = text.replace('[users.dana]', '[users.danna]')", "users.danna is not users.dana"),
        ("text += '\\n[devices.x]\\nsip_user = \"x\"\\n'", "devices is not users.dana"),
        ("text = '# nothing left\\n'", "users is gone|users.dana is gone"),
        ("text += 'password = \"short\"\\n'", "is shorter than 8"),
    ],
)
def test_what_cannot_be_taken_is_kept_in_a_file(office: Run, tmp_path: Path, code: str, words: str) -> None:
    out = bad(office("site", "edit", "users.dana", EDITOR=editor(tmp_path, f"{code}\ntext += '# my long work\\n'")))
    assert re.search(words, out), out
    assert "my long work" in kept(out).read_text()
    assert kept(out).parent.stat().st_mode & 0o777 == 0o700
    assert good(office("site", "diff")) == "Nothing is changed.\n"


def test_a_mistake_in_a_field_is_kept_in_the_candidate_and_told(office: Run, tmp_path: Path) -> None:
    out = good(office("site", "edit", "users.dana", EDITOR=editor(tmp_path, "text = text.replace('\"205\"', '205')")))
    assert "must be text, and is a number" in out
    assert value(office, "users.dana.extension") == 205


def test_somebody_elses_change_meanwhile_is_a_conflict_with_both_values(office: Run, data: Path, tmp_path: Path) -> None:
    """While the editor is open, another person writes."""
    other = f"import subprocess, sys\nsys.path.insert(0, {str(Path.cwd())!r})\nfrom appliance.site.editing import Editor\n"
    other += f"Editor(pathlib.Path({str(data)!r}), 'other').set('users.dana.name', 'Dana Theirs')\ntext = text.replace('Dana Reyes', 'Dana Mine')"
    out = bad(office("site", "edit", "users.dana", EDITOR=editor(tmp_path, other)), "was changed meanwhile", "Dana Theirs", "Dana Mine", "Dana Reyes")
    assert "Dana Mine" in kept(out).read_text()
    assert value(office, "users.dana.name") == "Dana Theirs"


def test_a_secret_written_in_the_editor_goes_to_the_vault(office: Run, data: Path, tmp_path: Path) -> None:
    good(office("site", "edit", "devices.dana-desk", EDITOR=editor(tmp_path, "text += 'secret = \"brand-new-one-42\"\\n'")))
    assert "secret" not in value(office, "devices.dana-desk")
    assert "password of" in good(office("site", "diff"))


def test_an_editor_that_cannot_be_used(office: Run, tmp_path: Path) -> None:
    bad(office("site", "edit", EDITOR="/no/such/editor"), "cannot be started", "EDITOR")
    bad(office("site", "edit", EDITOR="false"), "ended with 1", "kept in")
    bad(office("site", "edit", EDITOR="vi 'x"), "a quote is not closed")
    bad(office("site", "edit", "users.dana.nme", EDITOR="true"), "is not a known field")
    bad(office("site", "edit", "--json", EDITOR="true"), "has no use for --json")


def test_visual_goes_before_editor_and_something_is_found_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITOR", "ed -s")
    assert editor_command() == ["ed", "-s"]
    monkeypatch.setenv("VISUAL", "vi -n")
    assert editor_command() == ["vi", "-n"]
    for name in ("VISUAL", "EDITOR"):
        monkeypatch.delenv(name)
    assert Path(editor_command()[0]).is_file()
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(HoldfastError, match="no text editor"):
        editor_command()


def test_in_the_login_shell_only_a_restricted_editor_is_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOLDFAST_RESTRICTED", "1")
    monkeypatch.setenv("EDITOR", "/bin/sh")
    nano = tmp_path / "nano"
    nano.write_text("#!/bin/sh\n")
    nano.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert editor_command() == [str(nano), "--restricted", "--ignorercfiles"]
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(HoldfastError, match="safe in this shell"):
        editor_command()


def test_the_editor_is_not_the_commands_business_when_nothing_is_there(run: Run, data: Path) -> None:
    """A box nobody has set up: what is edited is the sample."""
    assert "was changed" in good(run("site", "edit", EDITOR="true"))
    assert Editor(data, "x").show("name").value == "Sample site"
