"""holdfast site: every verb on a real data folder, with good words and bad ones, for people and as JSON."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from appliance.cli.main import main
from appliance.errors import HoldfastError
from appliance.site import samples
from appliance.site.store import SiteStore
from appliance.site.vault import Vault

SITE = """
name = "Main office"
main_number = "+12125550100"

[users.dana]
name = "Dana Reyes"
extension = "205"

[devices.dana-desk]
owner = "dana"
sip_user = "dana-desk"
secret = "kh4-vw9-qqx-3zt"

[trunks.acme]
name = "Acme"
host = "sip.example.net"
"""

Run = Callable[..., Result]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def run(data: Path) -> Run:
    return runner(data)


def runner(data: Path) -> Run:
    def holdfast(*words: str | Path, input: str | None = None, **more: str) -> Result:
        environment = {"HOLDFAST_DATA": str(data), "HOLDFAST_CONTROL": "", "COLUMNS": "160", "USER": "tester", "SUDO_USER": "", "TZ": "UTC", **more}
        return CliRunner(env=environment).invoke(main, [str(word) for word in words], input=input)

    return holdfast


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the site above in force: revision 2, after the sample."""
    folder = tmp_path_factory.mktemp("made")
    good(runner(folder / "data")("site", "import", write(folder, SITE), "--commit"))
    return folder / "data"


@pytest.fixture
def office(run: Run, made: Path, data: Path) -> Run:
    shutil.copytree(made, data)
    return run


def good(result: Result) -> str:
    assert result.exit_code == 0, result.output
    assert "Traceback" not in result.output
    return result.output


def bad(result: Result, *words: str, code: int = 1) -> str:
    """A refusal: exit code, no traceback, and these words in it."""
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    for word in words:
        assert word in result.output, result.output
    return result.output


def answer(result: Result) -> Any:
    good(result)
    return json.loads(result.stdout)


def refusal(result: Result) -> Any:
    assert result.exit_code == 1, result.output
    return json.loads(result.stdout)


def write(folder: Path, text: str, name: str = "office.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def value(run: Run, path: str) -> Any:
    return answer(run("site", "show", path, "--json"))["value"]


# ---- show --------------------------------------------------------------------------------------------------------


def test_show_is_toml_a_bare_value_or_json(office: Run) -> None:
    assert good(office("site", "show", "users.dana")) == '[users.dana]\nname = "Dana Reyes"\nextension = "205"\n'
    assert "ring_seconds = 30" in good(office("site", "show", "users.dana", "--all"))
    assert good(office("site", "show", "users.dana.extension")) == "205\n"
    assert good(office("site", "show", "users.dana.enabled")) == "true\n"
    assert good(office("site", "show", "sip.codecs")) == '[sip]\ncodecs = ["g722", "pcmu", "pcma", "opus"]\n'
    shown = answer(office("site", "show", "users.dana", "--json"))
    assert (shown["path"], shown["value"]["name"], shown["version"] > 0) == ("users.dana", "Dana Reyes", True)
    whole = good(office("site", "show"))
    assert whole.startswith('name = "Main office"')
    assert "kh4" not in whole


def test_what_is_not_there_is_told_with_what_was_meant(office: Run) -> None:
    bad(office("site", "show", "users.dnaa"), "There is no users.dnaa", 'did you mean "dana"?')
    bad(office("site", "show", "user"), "user is not a known field", "users")
    bad(office("site", "show", "users..x"), "is not a path")
    assert refusal(office("site", "show", "users.dnaa", "--json"))["code"] == "not-found"


def test_a_box_nobody_has_set_up_shows_the_sample(run: Run) -> None:
    assert 'name = "Sample site"' in good(run("site", "show"))


# ---- set and unset -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "typed", "held"),
    [
        ("users.dana.extension", "210", "210"),
        ("users.dana.ring_seconds", "45", 45),
        ("users.dana.enabled", "false", False),
        ("users.dana.name", "Dana Fox", "Dana Fox"),
        ("users.dana.name", '"42"', "42"),
        ("main_number", "null", None),
        ("outbound.trunks", "acme", ["acme"]),
        ("sip.codecs", "pcmu, pcma", ["pcmu", "pcma"]),
        ("outbound.blocked_prefixes", '["+1900"]', ["+1900"]),
        ("interfaces[0].address", "10.0.0.2", "10.0.0.2"),
        ("flows.house.steps.end.settings.reason", "busy", "busy"),
    ],
)
def test_a_value_is_read_as_its_field_wants_it(office: Run, path: str, typed: str, held: Any) -> None:
    written = answer(office("site", "set", path, typed, "--json"))
    assert (written["value"], written["problems"]) == (held, [])
    assert value(office, path) == held


def test_a_whole_object_is_json_or_toml(office: Run) -> None:
    good(office("site", "set", "users.eli", '{"name": "Eli Ray", "extension": "206"}'))
    good(office("site", "set", "users.fay", '{ name = "Fay Low", extension = "207" }'))
    assert [value(office, f"users.{key}.name") for key in ("eli", "fay")] == ["Eli Ray", "Fay Low"]
    bad(office("site", "set", "users.gil", '{"name": "Gil"'), "neither JSON nor TOML", "quote it for the shell")


def test_a_value_comes_from_the_input_as_well(office: Run) -> None:
    good(office("site", "set", "users.dana.name", "-", input="Dana Stein\n"))
    assert value(office, "users.dana.name") == "Dana Stein"
    bad(office("site", "set", "users.dana.name"), "What shall it be?", code=2)


def test_what_does_not_fit_is_kept_and_reported(office: Run) -> None:
    out = good(office("site", "set", "users.dana.ring_seconds", "soon"))
    assert "users.dana.ring_seconds" in out
    assert "must be a whole number" in out
    assert value(office, "users.dana.ring_seconds") == "soon", "typed work is not thrown away"
    bad(office("site", "commit"), "users.dana.ring_seconds", "must be a whole number")


def test_a_place_that_cannot_be_is_refused(office: Run) -> None:
    bad(office("site", "set", "users.dana.extention", "210"), "is not a known field", 'did you mean "extension"?')
    bad(office("site", "set", "interfaces[7].address", "10.0.0.2"), "beyond the end of a list")


def test_a_version_guards_a_write(office: Run) -> None:
    seen = answer(office("site", "show", "users.dana", "--json"))["version"]
    good(office("site", "set", "users.dana.name", "Dana One", "--expect", str(seen)))
    bad(office("site", "set", "users.dana.name", "Dana Two", "--expect", str(seen)), "was changed meanwhile", "Dana Reyes", "Dana One", "Dana Two")
    conflict = refusal(office("site", "set", "users.dana.name", "Dana Two", "--expect", str(seen), "--json"))
    assert (conflict["code"], conflict["path"]) == ("conflict", "users.dana.name")
    assert [conflict[side] for side in ("base", "theirs", "yours")] == ["Dana Reyes", "Dana One", "Dana Two"]
    assert conflict["version"] != seen
    assert value(office, "users.dana.name") == "Dana One"
    bad(office("site", "set", "users.dana", "{}", "--expect", "0"), "was changed meanwhile")
    bad(office("site", "unset", "users.dana", "--expect", str(seen)), "was changed meanwhile")


def test_a_secret_goes_to_the_vault_and_is_never_shown(office: Run, data: Path) -> None:
    out = good(office("site", "set", "devices.dana-desk.secret", "another-long-one-9"))
    assert "another" not in out
    out = good(office("site", "diff"))
    assert "password of" in out
    assert "another" not in out
    good(office("site", "commit"))
    assert Vault(data).values(3)["devices.dana-desk.secret"] == "another-long-one-9"
    for path in data.rglob("*"):
        assert not path.is_file() or b"another-long" not in path.read_bytes(), path
    assert "another" not in good(office("site", "show"))
    bad(office("site", "show", "devices.dana-desk.secret"), "Secrets are not shown here", "holdfast secret reveal devices.dana-desk.secret")
    bad(office("site", "set", "devices.dana-desk.secret", "short"), "is shorter than 8 characters")
    assert "kh4" not in good(office("site", "set", "devices.dana-desk.secret", input="typed-secret-77\ntyped-secret-77\n"))
    good(office("site", "commit"))
    assert Vault(data).values(4)["devices.dana-desk.secret"] == "typed-secret-77"


def test_unset_takes_out(office: Run) -> None:
    good(office("site", "set", "users.dana.ring_seconds", "45"))
    good(office("site", "unset", "users.dana.ring_seconds"))
    assert value(office, "users.dana.ring_seconds") == 30, "back to its default"
    good(office("site", "unset", "devices.dana-desk"))
    bad(office("site", "show", "devices.dana-desk"), "There is no devices.dana-desk")
    bad(office("site", "unset", "devices.dana-desk"), "There is no devices.dana-desk")
    assert "device" in good(office("site", "diff"))


# ---- diff, check, commit -----------------------------------------------------------------------------------------


def test_changes_are_sentences(office: Run) -> None:
    assert good(office("site", "diff")) == "Nothing is changed.\n"
    good(office("site", "set", "users.dana.extension", "210"))
    assert good(office("site", "diff")) == "  extension of Dana Reyes: 205 -> 210\n"
    (change,) = answer(office("site", "diff", "--json"))["changes"]
    assert [change[key] for key in ("path", "sentence", "before", "after")] == ["users.dana.extension", "extension of Dana Reyes: 205 -> 210", "205", "210"]
    good(office("site", "commit"))
    assert good(office("site", "diff", "2", "3")) == "  extension of Dana Reyes: 205 -> 210\n"
    assert good(office("site", "diff", "3", "2")) == "  extension of Dana Reyes: 210 -> 205\n"
    assert good(office("site", "diff", "2")) == "  extension of Dana Reyes: 205 -> 210\n"
    assert good(office("site", "diff", "3", "3")) == "No difference.\n"
    bad(office("site", "diff", "77"), "There is no site revision 77")
    bad(office("site", "diff", "x"), "is not a valid integer", code=2)


def test_check_lists_every_mistake_of_the_candidate(office: Run) -> None:
    out = good(office("site", "check"))
    assert "The candidate is good." in out
    assert "It changes" not in out
    assert "Emergency proof:" in out
    good(office("site", "set", "users.dana.extension", "911"))
    good(office("site", "set", "devices.dana-desk.owner", "dnaa"))
    out = bad(office("site", "check"), "users.dana.extension", "911 is an emergency number", "devices.dana-desk.owner", 'did you mean "dana"?', "2 mistakes")
    found = json.loads(office("site", "check", "--json").stdout)
    assert {problem["path"] for problem in found["problems"]} == {"users.dana.extension", "devices.dana-desk.owner"}
    assert out.count("users.dana.extension") == 1


def test_check_of_a_file_changes_nothing(office: Run, tmp_path: Path) -> None:
    file = write(tmp_path, SITE.replace('"205"', '"215"'), "new.toml")
    out = good(office("site", "check", file))
    assert "new.toml is good: 1 user, 1 device, 1 flow, 0 numbers, 1 trunk, 0 locations.\nIt changes:" in out
    assert "extension of Dana Reyes: 205 -> 215" in out
    broken = write(
        tmp_path, SITE.replace('owner = "dana"', 'owner = "dnaa"').replace("kh4-vw9-qqx-3zt", "short") + '\n[[interfaces]]\naddress = "pbx"\n', "b.toml"
    )
    out = bad(office("site", "check", broken), "interfaces[0].address", '"pbx" is not an IP address', 'did you mean "dana"?', "is shorter than 8")
    assert '"short"' not in out
    found = json.loads(office("site", "check", broken, "--json").stdout)
    assert {problem["path"] for problem in found["problems"]} == {"interfaces[0].address", "devices.dana-desk.owner", "devices.dana-desk.secret"}
    assert good(office("site", "diff")) == "Nothing is changed.\n"


def test_a_file_is_checked_where_there_is_no_box(run: Run, data: Path, tmp_path: Path) -> None:
    good(run("site", "check", write(tmp_path, SITE)))
    assert not data.exists()


@pytest.mark.parametrize(("name", "text"), [("a.toml", "[users"), ("a.json", "{"), ("a.txt", ""), ("none.toml", None)])
def test_a_file_that_cannot_be_read_is_one_problem(run: Run, tmp_path: Path, name: str, text: str | None) -> None:
    path = tmp_path / name if text is None else write(tmp_path, text, name)
    assert [problem["path"] for problem in refusal(run("site", "check", path, "--json"))["problems"]] == [name]
    bad(run("site", "import", path), name)


def test_commit_says_what_it_did_and_how_it_stands(office: Run) -> None:
    good(office("site", "set", "users.dana.extension", "210"))
    out = good(office("site", "commit", "-m", "moved Dana"))
    assert "extension of Dana Reyes: 205 -> 210" in out
    assert "Revision 3 is saved. The box is not running; it will start with it." in out
    bad(office("site", "commit"), "There is nothing to commit")
    good(office("site", "set", "users.dana.extension", "211"))
    made = answer(office("site", "commit", "--json"))
    assert (made["revision"], made["running"], made["in_force"], made["waiting"]) == (4, False, False, None)
    assert [change["path"] for change in made["changes"]] == ["users.dana.extension"]


def test_a_commit_with_a_mistake_changes_nothing(office: Run, data: Path) -> None:
    good(office("site", "set", "users.dana.extension", "911"))
    bad(office("site", "commit"), "Nothing was changed", "users.dana.extension", "911 is an emergency number", "free nearby")
    assert refusal(office("site", "commit", "--json"))["problems"][0]["path"] == "users.dana.extension"
    assert SiteStore(data / "site").current()[0].number == 2


@pytest.mark.row("Z2")
def test_the_last_way_out_for_911_may_not_be_taken(office: Run, data: Path) -> None:
    good(office("site", "unset", "trunks.acme"))
    bad(office("site", "commit"), "no emergency call would leave", "911 and 112 from Dana Reyes", "add the new trunk before removing the last one")
    assert SiteStore(data / "site").current()[0].number == 2
    good(office("site", "set", "trunks.other", '{"name": "Other", "host": "192.0.2.9"}'))
    good(office("site", "commit"))


def test_a_commit_on_condition(office: Run) -> None:
    good(office("site", "set", "users.dana.extension", "210"))
    out = good(office("site", "commit", "--confirm", "10"))
    assert "It goes back to revision 2 in 10 min unless you run `holdfast site confirm`." in out
    assert "unconfirmed" in good(office("site", "history"))
    waiting = answer(office("site", "history", "--json"))["waiting"]
    assert (waiting["revision"], waiting["previous"], waiting["minutes"], waiting["author"]) == (3, 2, 10, "tester")
    assert good(office("site", "confirm")) == "Revision 3 stays.\n"
    bad(office("site", "confirm"), "No commit waits to be confirmed")
    bad(office("site", "undo"), "No commit waits to be confirmed")
    for wrong in ("0", "1441", "soon"):
        bad(office("site", "commit", "--confirm", wrong), "--confirm", code=2)


def test_undo_goes_back_and_keeps_what_was_typed(office: Run) -> None:
    good(office("site", "set", "users.dana.extension", "210"))
    good(office("site", "commit", "--confirm", "10"))
    out = good(office("site", "undo"))
    assert "extension of Dana Reyes: 210 -> 205" in out
    assert "Revision 4 is saved" in out
    assert good(office("site", "diff")) == "  extension of Dana Reyes: 205 -> 210\n", "pending again"


def test_history_and_rollback(office: Run) -> None:
    good(office("site", "set", "users.dana.extension", "210"))
    good(office("site", "commit", "-m", "moved Dana"))
    out = good(office("site", "history"))
    assert "moved Dana" in out
    assert "tester" in out
    assert "imported from office.toml" in out
    bad(office("site", "rollback", "9"), "There is no site revision 9")
    good(office("site", "set", "users.dana.name", "Someone"))
    bad(office("site", "rollback", "2"), "ending")
    bad(office("site", "rollback", "1", "--discard"), "Revision 1 does not hold any more", "no emergency call would leave")
    assert value(office, "users.dana.name") == "Someone", "a refusal discards nothing"
    out = good(office("site", "rollback", "2", "--discard", "-m", "that was wrong"))
    assert "extension of Dana Reyes: 210 -> 205" in out
    assert value(office, "users.dana.extension") == "205"
    rows = answer(office("site", "history", "--json"))["revisions"]
    assert [(row["number"], row["comment"], row["current"]) for row in rows] == [
        (4, "that was wrong", True),
        (3, "moved Dana", False),
        (2, "imported from office.toml", False),
        (1, "sample site, made at first start", False),
    ]
    assert len(answer(office("site", "history", "--limit", "1", "--json"))["revisions"]) == 1


def test_discard_drops_all_or_some(office: Run) -> None:
    good(office("site", "set", "users.dana.extension", "210"))
    good(office("site", "set", "name", "Branch"))
    good(office("site", "set", "devices.dana-desk.secret", "another-long-one-9"))
    out = good(office("site", "discard", "users.dana"))
    assert "Dropped 1 change:\n  extension of Dana Reyes: 205 -> 210\n" in out
    assert "2 changes not in force yet" in out
    dropped = answer(office("site", "discard", "--json"))["dropped"]
    assert {change["path"] for change in dropped} == {"name", "devices.dana-desk.secret"}
    assert good(office("site", "diff")) == "Nothing is changed.\n"


# ---- files -------------------------------------------------------------------------------------------------------


def test_import_collects_in_the_candidate(office: Run, tmp_path: Path, data: Path) -> None:
    file = write(tmp_path, SITE.replace('"205"', '"215"').replace("kh4-vw9-qqx-3zt", "brand-new-one-42"), "new.toml")
    out = good(office("site", "import", file))
    assert "extension of Dana Reyes: 205 -> 215" in out
    assert "2 changes not in force yet" in out
    assert "brand-new" not in out
    assert SiteStore(data / "site").current()[0].number == 2
    bad(office("site", "import", file), "2 changes not committed would be lost", "--discard")
    assert refusal(office("site", "import", file, "--json"))["code"] == "pending"
    good(office("site", "import", file, "--discard"))
    good(office("site", "commit"))
    assert Vault(data).values(3)["devices.dana-desk.secret"] == "brand-new-one-42"


def test_import_and_commit_is_all_or_nothing(office: Run, tmp_path: Path, data: Path) -> None:
    broken = write(tmp_path, SITE.replace('owner = "dana"', 'owner = "dnaa"'), "broken.toml")
    bad(office("site", "import", broken, "--commit"), "Nothing was changed", "devices.dana-desk.owner")
    lost = write(tmp_path, SITE.partition("[trunks")[0], "lost.toml")
    bad(office("site", "import", lost, "--commit"), "no emergency call would leave")
    assert good(office("site", "diff")) == "Nothing is changed.\n"
    assert SiteStore(data / "site").current()[0].number == 2
    made = answer(office("site", "import", write(tmp_path, SITE.replace('"205"', '"215"'), "new.toml"), "--commit", "-m", "new", "--json"))
    assert made["revision"] == 3
    assert SiteStore(data / "site").current()[0].comment == "new"


def test_a_site_file_is_the_way_out_when_no_revision_can_be_read(office: Run, data: Path, tmp_path: Path) -> None:
    for path in (data / "site" / "revisions").iterdir():
        path.write_text("{")
    bad(office("site", "show"), "can be read", "holdfast site import FILE --commit")
    broken = write(tmp_path, SITE.replace('owner = "dana"', 'owner = "dnaa"'), "broken.toml")
    bad(office("site", "import", broken, "--commit"), "devices.dana-desk.owner")
    good(office("site", "import", write(tmp_path, SITE), "--commit"))
    assert value(office, "users.dana.extension") == "205"
    assert Vault(data).values(3)["devices.dana-desk.secret"] == "kh4-vw9-qqx-3zt"


def test_export_is_plain_and_comes_back(office: Run, tmp_path: Path) -> None:
    for name in ("out.toml", "out.json"):
        file = tmp_path / name
        assert "without secrets" in good(office("site", "export", file))
        assert "kh4" not in file.read_text()
        assert file.stat().st_mode & 0o777 == 0o600
        assert "already" in good(office("site", "import", file)), "the vault still has the secrets"
    assert good(office("site", "export")) == (tmp_path / "out.toml").read_text()
    assert json.loads(good(office("site", "export", "--json"))) == json.loads((tmp_path / "out.json").read_text())
    good(office("site", "set", "users.dana.extension", "210"))
    assert '"205"' in good(office("site", "export")), "what is in force"
    good(office("site", "commit"))
    assert '"205"' in good(office("site", "export", "--revision", "2"))
    bad(office("site", "export", "--revision", "9"), "There is no site revision 9")
    bad(office("site", "export", tmp_path / "no" / "where.toml"), "cannot be written")
    kept = tmp_path / "out.toml"
    before = kept.read_text()
    bad(office("site", "export", kept, "--revision", "9"), "no site revision")
    assert kept.read_text() == before


def test_a_sealed_export_brings_the_secrets_to_another_box(office: Run, data: Path, tmp_path: Path) -> None:
    good(office("site", "set", "users.dana.password", "portal-sign-in-5"))
    good(office("site", "commit"))
    sealed, phrase = tmp_path / "office.sealed", write(tmp_path, "four words that differ\n", "phrase")
    assert "sealed, with all secrets" in good(office("site", "export", sealed, "--secrets", "--passphrase-file", phrase))
    assert b"kh4-vw9" not in sealed.read_bytes()
    assert Vault(data).reveals()[-1].name == "*"
    other = tmp_path / "other"
    good(office("site", "import", sealed, "--commit", "--passphrase-file", phrase, HOLDFAST_DATA=str(other)))
    here, there = Vault(data).values(3), Vault(other).values(2)
    assert there == here, "hashes of people's passwords too"
    assert there["devices.dana-desk.secret"] == "kh4-vw9-qqx-3zt"
    wrong = write(tmp_path, "quite another phrase\n", "wrong")
    bad(office("site", "import", sealed, "--passphrase-file", wrong), "passphrase")
    bad(office("site", "import", sealed), "there is nobody to ask")
    bad(office("site", "export", sealed, "--secrets", "--passphrase-file", write(tmp_path, "short\n", "weak")), "shorter than 12 characters")
    bad(office("site", "export", "--secrets", "--passphrase-file", phrase), "needs a FILE", code=2)
    cut = tmp_path / "cut.sealed"
    cut.write_bytes(sealed.read_bytes()[:-9])
    bad(office("site", "import", cut, "--passphrase-file", phrase), "damaged or incomplete")


def test_samples_are_listed_and_imported(run: Run, tmp_path: Path) -> None:
    found = {row["name"]: row["about"] for row in answer(run("site", "samples", "--json"))["samples"]}
    assert list(found) == ["callflows", "extensions", "numbers-and-forwarding", "user-flows"]
    assert found["extensions"].startswith("A main extension that is the person")
    assert "user-flows" in good(run("site", "samples"))
    assert "not in force yet" in good(run("site", "import", "--sample", "extensions"))
    assert value(run, "users.dana.extension") == "201"
    bad(run("site", "import", "--sample", "extension", "--discard"), 'did you mean "extensions"?')
    bad(run("site", "import"), "Name a FILE, or a sample", code=2)
    bad(run("site", "import", write(tmp_path, SITE), "--sample", "extensions"), "Name a FILE, or a sample", code=2)


@pytest.mark.parametrize("name", samples.names())
def test_each_sample_is_good(run: Run, name: str) -> None:
    out = good(run("site", "import", "--sample", name, "--commit", "--discard"))
    assert "is saved" in out
    warnings = [line for line in out.splitlines() if line.startswith("Warning")]
    assert "No trunk is marked as armed" in warnings[0], "the one thing only the carrier can do"
    assert all("911 called emergency services until now" in line for line in warnings[1:]), "another country has other numbers"
    assert f"the sample {name}" in good(run("site", "history"))
    assert answer(run("emergency", "proof", "--json"))["cases"] > 0


# ---- the box -----------------------------------------------------------------------------------------------------


def test_the_socket_of_a_killed_box_does_not_stop_a_commit(office: Run, data: Path) -> None:
    (data / "run").mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(data / "run" / "control.sock"))
    good(office("site", "set", "users.dana.extension", "210"))
    assert "The box is not running" in good(office("site", "commit"))


def test_a_running_box_is_told(office: Run, box: Any) -> None:
    box.answers["site.activate"] = {"revision": 3}
    good(office("site", "set", "users.dana.extension", "210"))
    assert "Revision 3 is in force." in good(office("site", "commit", "--control", box.path))
    assert [method for method, _ in box.asked] == ["site.activate"]
    box.answers["site.activate"] = HoldfastError("The disk is gone", "look for it", code="state")
    good(office("site", "set", "users.dana.extension", "211"))
    bad(office("site", "commit", "--control", box.path), "Revision 4 is saved, but the running box has not taken it: The disk is gone (look for it)")
    good(office("site", "set", "users.dana.extension", "212"))
    said = office("site", "commit", "--control", box.path, "--json")
    assert said.exit_code == 1
    assert {key: json.loads(said.stdout)[key] for key in ("revision", "running", "in_force")} == {"revision": 5, "running": True, "in_force": False}


def test_a_data_folder_that_cannot_be_used_is_one_sentence_and_a_hint(run: Run, data: Path, tmp_path: Path) -> None:
    data.write_text("a file")
    for words in (("show",), ("set", "name", "x"), ("commit",), ("history",), ("import", str(write(tmp_path, SITE)))):
        result = run("site", *words)
        assert result.exit_code == 1, words
        assert "Traceback" not in result.output
        assert "data folder" in result.output or "site folder" in result.output, result.output


def test_a_data_folder_in_the_home_folder_is_found_by_its_short_name(run: Run, tmp_path: Path) -> None:
    good(run("site", "import", write(tmp_path, SITE), "--commit", HOLDFAST_DATA="~/box", HOME=str(tmp_path)))
    assert SiteStore(tmp_path / "box" / "site").current()[1].name == "Main office"


def test_another_folder_may_be_named(office: Run, tmp_path: Path) -> None:
    good(office("site", "import", write(tmp_path, SITE), "--commit", "--data", tmp_path / "second"))
    good(office("site", "set", "name", "Second", "--data", tmp_path / "second"))
    assert value(office, "name") == "Main office"
