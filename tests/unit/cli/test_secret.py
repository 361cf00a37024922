"""holdfast secret: what it shows, what it refuses, and that a running box is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from appliance.cli.main import main
from appliance.errors import StateError
from appliance.site import sim_pin
from appliance.site.install import install
from appliance.site.sample import sample_site
from appliance.site.store import SiteStore
from appliance.site.vault import Vault, signs_in

ALEX = "devices.alex-phone.secret"


class Desk:
    """The command on a data folder with the sample site; no box runs on it unless `control` names one."""

    def __init__(self, data: Path) -> None:
        self.data, self.vault = data, Vault(data)
        install(SiteStore(data / "site"), self.vault, sample_site(), {}, author="test", comment="")
        self.control = data / "run" / "control.sock"

    def run(self, *words: str, typed: str = "") -> Result:
        environment = {"HOLDFAST_CONTROL": str(self.control), "HOLDFAST_DATA": str(self.data), "COLUMNS": "120", "TZ": "UTC", "USER": "dana", "SUDO_USER": ""}
        return CliRunner(env=environment).invoke(main, ["secret", *words], input=typed)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "data")


def test_the_list_shows_which_are_set_and_never_what_they_are(desk: Desk) -> None:
    secrets = list(desk.vault.values(1).values())
    desk.run("reveal", ALEX)
    shown = desk.run("list").output
    lines = {line.split()[0]: line.split()[1:] for line in shown.splitlines()}
    assert lines[ALEX][0] == "yes"
    assert lines[ALEX][-4:-2] == ["by", "dana"]
    assert lines["devices.front-door.secret"] == ["yes"]
    assert lines["users.alex.password"] == ["no"]
    rows = {row["name"]: row for row in json.loads(desk.run("list", "--json").output)["secrets"]}
    assert (rows[ALEX]["set"], rows["users.alex.password"]["set"], rows["users.alex.password"]["seen_unix_s"]) == (True, False, None)
    assert rows[ALEX]["seen_by"].startswith("dana (uid")
    assert len(secrets) == 4
    assert not any(secret in shown + str(rows) for secret in secrets)


def test_set_reads_the_input_and_counts_at_once(desk: Desk) -> None:
    done = desk.run("set", ALEX, typed="tin-whistle-7\nmore\n")
    assert done.exit_code == 0
    assert "not running" in done.output
    assert "whistle" not in done.output
    assert desk.vault.values(1)[ALEX] == "tin-whistle-7"
    done = desk.run("set", "users.alex.password", "--json", typed="horse staple\r\n")
    assert json.loads(done.output) == {"name": "users.alex.password", "running": False}
    assert signs_in(desk.vault.values(1)["users.alex.password"], "horse staple")


def test_the_sim_cards_pin_set_anew_is_entered_once_more_and_another_needs_no_leave(desk: Desk) -> None:
    note = sim_pin.note(desk.data)
    note.parent.mkdir(exist_ok=True)
    note.write_text("entered")
    assert desk.run("set", sim_pin.NAME, typed="4711\n").exit_code == 0
    assert note.exists()
    assert desk.run("set", sim_pin.NAME, typed="4711\n").exit_code == 0
    assert not note.exists()


def test_a_value_on_the_command_line_is_refused(desk: Desk) -> None:
    before = desk.vault.values(1)
    assert desk.run("set", ALEX, "tin-whistle-7").exit_code == 2
    assert desk.vault.values(1) == before


@pytest.mark.parametrize(
    ("words", "typed", "says"),
    [
        (("set", ALEX), "1001\n", "is shorter than 8 characters"),
        (("set", ALEX), "", "is empty"),
        (("set", ALEX), "alex-phone\n", "repeats the device's name"),
        (("set", "devices.alex-fone.secret"), "tin-whistle-7\n", 'did you mean "devices.alex-phone.secret"?'),
        (("set", "users.alex.name"), "tin-whistle-7\n", "has no secret users.alex.name"),
        (("new", "users.alex.password"), "", "not for the box to choose"),
        (("new", "devices.nobody.secret"), "", "has no secret"),
        (("reveal", "users.alex.password"), "", "hash"),
        (("reveal", "devices.nobody.secret"), "", "has no secret"),
    ],
)
def test_what_cannot_be_is_refused_with_a_hint_and_changes_nothing(desk: Desk, words: tuple[str, ...], typed: str, says: str) -> None:
    before = desk.vault.values(1)
    done = desk.run(*words, typed=typed)
    assert done.exit_code == 1
    assert says in " ".join(done.output.split())
    told = json.loads(desk.run(*words, "--json", typed=typed).output)
    assert {"code", "sentence", "hint"} <= told.keys()
    assert desk.vault.values(1) == before
    assert desk.vault.reveals() == []


@pytest.mark.row("E3")
def test_the_sign_in_password_is_refused_as_a_phones(desk: Desk) -> None:
    desk.run("set", "users.alex.password", typed="horse staple\n")
    assert "is the password its user signs in with" in " ".join(desk.run("set", ALEX, typed="horse staple\n").output.split())
    assert desk.run("set", "devices.front-door.secret", typed="horse staple\n").exit_code == 0


@pytest.mark.row("E3")
def test_new_makes_a_random_one_and_reveal_shows_it_on_record(desk: Desk) -> None:
    before = desk.vault.values(1)[ALEX]
    made = desk.run("new", ALEX)
    assert made.exit_code == 0
    after = desk.vault.values(1)[ALEX]
    assert after != before
    assert after not in made.output
    assert desk.vault.reveals() == []
    assert desk.run("reveal", ALEX).output == f"{after}\n"
    assert json.loads(desk.run("reveal", ALEX, "--json").output) == {"name": ALEX, "value": after}
    assert [reveal.name for reveal in desk.vault.reveals()] == [ALEX, ALEX]


def test_a_running_box_is_told(desk: Desk, box) -> None:
    desk.control = box.path
    box.answers["secrets.changed"] = {"devices": 4}
    assert desk.run("set", ALEX, typed="tin-whistle-7\n").output == f"{ALEX} is changed.\n"
    assert json.loads(desk.run("new", ALEX, "--json").output) == {"name": ALEX, "running": True}
    assert box.asked == [("secrets.changed", {})] * 2


def test_a_box_that_cannot_read_its_vault_says_so(desk: Desk, box) -> None:
    desk.control = box.path
    box.answers["secrets.changed"] = StateError("The vault is damaged", "restore a backup", code="vault")
    done = desk.run("new", ALEX)
    assert done.exit_code == 1
    assert "The vault is damaged" in done.output


def test_a_folder_without_a_site_is_left_alone(tmp_path: Path) -> None:
    done = CliRunner(env={"HOLDFAST_DATA": str(tmp_path), "HOLDFAST_CONTROL": ""}).invoke(main, ["secret", "list"])
    assert done.exit_code == 1
    assert "no site" in done.output
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_vault_is_one_clear_error(desk: Desk) -> None:
    (desk.data / "vault" / "key").unlink()
    for words in (("list",), ("reveal", ALEX), ("new", ALEX)):
        done = desk.run(*words)
        assert done.exit_code == 1
        assert "key file is missing" in done.output
