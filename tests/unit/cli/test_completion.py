"""What the Tab key knows: commands, paths of the candidate, extensions, flows, revisions; and that it never makes or breaks anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from appliance.cli.completion import SHELLS, completions
from appliance.cli.main import main
from appliance.cli.shell import complete_line
from appliance.cli.values import typed
from appliance.errors import HoldfastError
from tests.unit.cli.test_site import Run, bad, data, good, made, office, run

__all__ = ["data", "made", "office", "run"]


@pytest.fixture
def tab(office: Run, data: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOLDFAST_DATA", str(data))
    monkeypatch.setenv("HOLDFAST_CONTROL", "")
    return lambda words, incomplete="": [item.value for item in completions(main, words.split(), incomplete)]


def test_paths_are_completed_step_by_step(tab) -> None:
    assert {"users", "users.", "name", "sip.", "flows."} <= set(tab("site show"))
    assert tab("site show", "us") == ["users", "users."]
    assert tab("site show", "users") == ["users."]
    assert tab("site show", "users.d") == ["users.dana", "users.dana."]
    assert tab("site set", "users.dana.ext") == ["users.dana.extension"]
    assert tab("site set", "devices.dana-desk.sec") == ["devices.dana-desk.secret"]
    assert tab("site unset", "devices.dana-desk.") == [f"devices.dana-desk.{name}" for name in tab_fields(tab, "devices.dana-desk")]
    assert tab("site discard users.dana", "tr") == ["trunks", "trunks."]
    assert tab("site show", "users.nobody.") == []
    assert tab("site show", "x y") == []


def tab_fields(tab, path: str) -> list[str]:
    return [word.removeprefix(f"{path}.") for word in tab("site edit", f"{path}.") if not word.endswith(".")]


def test_extensions_flows_users_and_revisions_are_completed(tab, office: Run) -> None:
    good(office("site", "set", "groups.all", '{"name": "All", "extension": "290"}'))
    good(office("site", "set", "flows.menu", '{"name": "Menu", "start": "a", "extensions": ["300"]}'))
    assert tab("flow simulate") == ["205", "290", "300"]
    assert tab("flow show", "m") == ["menu"]
    assert tab("flow simulate 205 --as", "d") == ["dana"]
    assert tab("site rollback") == ["2", "1"]
    assert tab("site diff 1") == ["2", "1"]
    helps = {item.value: item.help for item in completions(main, ["flow", "show"], "")}
    assert helps["menu"] == "Menu"


def test_the_tab_key_makes_nothing_and_survives_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (tmp_path / "none", tmp_path / "file"):
        monkeypatch.setenv("HOLDFAST_DATA", str(folder))
        (tmp_path / "file").write_text("")
        completions(main, ["site", "show"], "us")
        assert completions(main, ["site", "rollback"], "") == []
        assert completions(main, ["flow", "show"], "") == []
    assert not (tmp_path / "none").exists()


def test_a_candidate_full_of_mistakes_is_completed(tab, office: Run) -> None:
    good(office("site", "set", "users.dana.extension", "5"))
    good(office("site", "set", "users", '{"dana": 5, "eli": {"name": 7, "extension": [1]}}'))
    assert tab("site show", "users.") == ["users.dana", "users.eli", "users.eli."]
    assert "[1]" in tab("flow simulate")


def test_the_shell_completes_whole_lines(tab) -> None:
    assert complete_line("", "sit") == ["site "]
    assert complete_line("", "hel") == ["help "]
    assert complete_line("site ", "rollb") == ["rollback "]
    assert complete_line("holdfast site show ", "users.da") == ["users.dana ", "users.dana."]
    assert complete_line("site show 'x", "y") == []


@pytest.mark.parametrize("shell", sorted(SHELLS))
def test_each_shell_gets_a_script(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0
    assert "_HOLDFAST_COMPLETE" in result.output
    assert shell == "fish" or "'part'" in result.output or '"part"' in result.output
    bad(CliRunner().invoke(main, ["completion", "tcsh"]), code=2)


def test_a_typed_value_is_what_its_field_wants() -> None:
    for loc, text, meant in (
        (("users", "d", "extension"), "2", "2"),
        (("users", "d", "ring_seconds"), "abc", "abc"),
        (("users", "d", "forwarding", "busy"), '[{user="carol"}]', [{"user": "carol"}]),
        (("numbers", "m", "destination"), "201", "201"),
        (("locations", "a", "networks"), "10.0.0.0/24", ["10.0.0.0/24"]),
        (("flows", "a", "steps", "b", "settings", "n"), "5", 5),
        (("devices", "a", "secret"), "12345678", "12345678"),
        (("mailboxes", "a", "pin"), "0042", "0042"),
        (("nowhere",), "x", "x"),
        (("name",), "NaN", "NaN"),
    ):
        assert typed(loc, text) == meant, (loc, text)
    with pytest.raises(HoldfastError, match="neither JSON nor TOML"):
        typed(("users", "d"), "{")
