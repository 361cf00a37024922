"""holdfast token, and the store behind it: shown once, kept as a hash, gone at once when revoked."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from appliance.cli.main import main
from appliance.errors import HoldfastError, NotFound, StateError
from appliance.site.tokens import PREFIX, TOUCH_S, Tokens


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def run(data: Path, *words: str) -> Result:
    return CliRunner(env={"HOLDFAST_DATA": str(data), "USER": "dana", "SUDO_USER": "", "COLUMNS": "160", "TZ": "UTC"}).invoke(main, ["token", *words])


def test_a_token_is_shown_once_and_kept_as_a_hash(data: Path) -> None:
    made = run(data, "new", "nightly", "--scopes", "write, read", "--days", "30")
    assert made.exit_code == 0, made.output
    text, said = made.output.splitlines()
    assert text.startswith(PREFIX)
    assert len(text) == len(PREFIX) + 43, "32 random bytes"
    assert "not shown again" in said
    file = data / "web" / "tokens.json"
    assert text[len(PREFIX) :] not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    found = Tokens(data).find(text)
    assert found is not None
    assert (found.name, found.scopes, found.made_by) == ("nightly", ("read", "write"), "dana")
    assert not found.expired(time.time() + 29 * 86400)
    assert found.expired(time.time() + 31 * 86400)
    listed = run(data, "list").output
    assert "nightly" in listed
    assert "read, write" in listed
    assert text not in listed
    (row,) = json.loads(run(data, "list", "--json").output)["tokens"]
    assert set(row) == {"name", "scopes", "made_by", "made_unix_s", "expires_unix_s", "used_unix_s", "used_from"}


def test_a_revoked_token_counts_no_more_in_a_process_that_knows_it(data: Path) -> None:
    web = Tokens(data)
    text = json.loads(run(data, "new", "nightly", "--json").output)["token"]
    assert web.find(text) is not None
    assert run(data, "revoke", "nightly").exit_code == 0
    assert web.find(text) is None
    refused = run(data, "revoke", "nightly")
    assert refused.exit_code != 0
    assert "There is no token nightly" in refused.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("new", "Night ly"), "is not a name for a token"),
        (("new", "x" * 41), "is not a name for a token"),
        (("new", "a", "--scopes", "read,rite"), 'did you mean "write"'),
        (("new", "a", "--scopes", ","), "may do nothing"),
        (("new", "taken"), "There is a token taken already"),
    ],
)
def test_what_makes_no_token(data: Path, words: tuple[str, ...], said: str) -> None:
    run(data, "new", "taken")
    before = (data / "web" / "tokens.json").read_bytes()
    refused = run(data, *words)
    assert refused.exit_code != 0
    assert said in refused.output
    assert (data / "web" / "tokens.json").read_bytes() == before


def test_the_last_use_is_noted_now_and_then(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = Tokens(data)
    _, text = tokens.new("nightly", ["read"], "dana")

    def use(address: str) -> None:
        found = tokens.find(text)
        assert found is not None
        tokens.used(found, address)

    use("192.0.2.1")
    first = tokens.all()[0]
    assert first.used_from == "192.0.2.1"
    assert first.used_unix_s == pytest.approx(time.time(), abs=5)
    stamp = (data / "web" / "tokens.json").stat().st_mtime_ns
    use("192.0.2.1")
    use("192.0.2.2")
    assert (data / "web" / "tokens.json").stat().st_mtime_ns == stamp, "not for every request, wherever from"
    later = time.time() + TOUCH_S + 1
    monkeypatch.setattr("appliance.site.tokens.time.time", lambda: later)
    use("192.0.2.2")
    assert (tokens.all()[0].used_unix_s, tokens.all()[0].used_from) == (later, "192.0.2.2")


def test_tokens_made_at_once_are_all_there(data: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: Tokens(data).new(f"t{number}", ["read"], "dana"), range(24)))
    assert len(Tokens(data).all()) == 24


def test_a_damaged_file_says_so(data: Path) -> None:
    Tokens(data).new("nightly", ["read"], "dana")
    (data / "web" / "tokens.json").write_text('{"tokens": {"nightly": 1}}')
    with pytest.raises(StateError, match="damaged"):
        Tokens(data).all()
    with pytest.raises((StateError, HoldfastError, NotFound)):
        Tokens(data).new("other", ["read"], "dana")
    assert (data / "web" / "tokens.json").read_text() == '{"tokens": {"nightly": 1}}', "nothing is lost by trying"
