"""holdfast site check and load: every mistake shown, nothing applied with one, saved directly while the box is stopped."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from appliance.cli.site import site
from appliance.errors import DocumentError, Problem
from appliance.site.store import SiteStore

GOOD = """
name = "Main office"

[users.dana]
name = "Dana Reyes"
extension = "205"

[devices.dana-desk]
owner = "dana"
sip_user = "dana-desk"
secret = "kh4-vw9-qqx-3zt"
"""

BAD = GOOD.replace('owner = "dana"', 'owner = "dnaa"') + '\n[[interfaces]]\naddress = "pbx"\n'


def run(*arguments: str | Path, data: Path | None = None) -> Result:
    environment = {"HOLDFAST_DATA": str(data) if data else "", "HOLDFAST_CONTROL": "", "COLUMNS": "120", "USER": "tester", "SUDO_USER": ""}
    return CliRunner(env=environment).invoke(site, [str(argument) for argument in arguments])


def write(folder: Path, text: str) -> Path:
    path = folder / "office.toml"
    path.write_text(text)
    return path


def test_check_says_what_a_good_file_holds(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    result = run("check", path)
    assert (result.exit_code, result.output) == (0, "office.toml is good: 1 user, 1 device, 0 trunks, 0 locations.\n")
    assert json.loads(run("check", path, "--json").output) == {"problems": [], "users": 1, "devices": 1, "trunks": 0, "locations": 0}


def test_check_shows_every_mistake_with_its_place_and_cure(tmp_path: Path) -> None:
    path = write(tmp_path, BAD)
    result = run("check", path)
    assert result.exit_code == 1
    for words in ("interfaces[0].address", '"pbx" is not an IP address', "devices.dana-desk.owner", 'did you mean "dana"?', "Nothing was changed"):
        assert words in result.output
    answer = json.loads(run("check", path, "--json").output)
    assert answer["code"] == "document"
    assert {problem["path"] for problem in answer["problems"]} == {"interfaces[0].address", "devices.dana-desk.owner"}


@pytest.mark.parametrize("text", ["[users", None])
def test_a_file_that_cannot_be_read_is_one_problem(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "office.toml" if text is None else write(tmp_path, text)
    result = run("check", path, "--json")
    assert result.exit_code == 1
    assert [problem["path"] for problem in json.loads(result.output)["problems"]] == ["office.toml"]


def test_load_saves_a_revision_while_the_box_is_stopped(tmp_path: Path) -> None:
    data = tmp_path / "data"
    result = run("load", write(tmp_path, GOOD), data=data)
    assert (result.exit_code, "Saved as revision 1" in result.output) == (0, True)
    revision, found = SiteStore(data / "site").current()
    assert (revision.number, revision.author, revision.comment, found.name) == (1, "tester", "loaded from office.toml", "Main office")
    answer = json.loads(run("load", tmp_path / "office.toml", "--json", "--comment", "new phones", data=data).output)
    assert (answer["revision"], answer["running"], answer["problems"]) == (2, False, [])
    assert SiteStore(data / "site").current()[0].comment == "new phones"


def test_load_applies_nothing_of_a_file_with_mistakes(tmp_path: Path) -> None:
    data = tmp_path / "data"
    run("load", write(tmp_path, GOOD), data=data)
    result = run("load", write(tmp_path, BAD), "--json", data=data)
    assert (result.exit_code, len(json.loads(result.output)["problems"])) == (1, 2)
    assert SiteStore(data / "site").current()[0].number == 1


def test_the_socket_of_a_killed_box_does_not_stop_a_load(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "run").mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(data / "run" / "control.sock"))
    assert run("load", write(tmp_path, GOOD), data=data).exit_code == 0
    assert SiteStore(data / "site").current()[0].number == 1


def test_a_data_folder_that_cannot_be_used_is_one_sentence_and_a_hint(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.write_text("a file")
    result = run("load", write(tmp_path, GOOD), data=data)
    assert result.exit_code == 1
    assert "Cannot use the site folder" in result.output
    assert "Traceback" not in result.output


def test_what_a_running_box_finds_wrong_is_listed_too(tmp_path: Path, box: Any) -> None:
    """The box may be of a later release, or know what the file alone does not say."""
    box.answers["site.load"] = DocumentError("1 mistake", (Problem("devices.dana-desk.owner", "There is no such user", "name one"),))
    path = write(tmp_path, GOOD)
    result = box.run("site", "load", str(path))
    assert result.exit_code == 1
    for words in ("Nothing was changed", "devices.dana-desk.owner", "There is no such user", "name one"):
        assert words in result.output
    assert json.loads(box.run("site", "load", str(path), "--json").output)["problems"][0]["path"] == "devices.dana-desk.owner"


def test_a_data_folder_in_the_home_folder_is_found_by_its_short_name(tmp_path: Path) -> None:
    environment = {"HOLDFAST_DATA": "~/box", "HOLDFAST_CONTROL": "", "HOME": str(tmp_path)}
    result = CliRunner(env=environment).invoke(site, ["load", str(write(tmp_path, GOOD))])
    assert result.exit_code == 0, result.output
    assert SiteStore(tmp_path / "box" / "site").current()[0].number == 1
