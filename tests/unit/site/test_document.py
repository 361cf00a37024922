"""Site files: what is read, what is refused and in which words, and the way out to JSON and TOML and back."""

from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import DocumentError, Problem
from appliance.site.document import MAX_BYTES, dump_json, dump_toml, load_file, parse, read_file
from appliance.site.model.people import User
from appliance.site.model.site import Interface, Site
from appliance.site.wording import EXPECTED

GOOD = """
name = "Main office"
domain = "pbx.example.org"
country = "US"
time_zone = "America/New_York"
main_number = "+12125550100"

[[interfaces]]
address = "192.168.10.2"

[users.dana]
name = "Dana Reyes"
extension = "205"

[devices.dana-desk]
owner = "dana"
sip_user = "dana-desk"
secret = "kh4-vw9-qqx-3zt"
location = "hall"

[trunks.carrier]
name = "Carrier"
host = "sip.example.net"
username = "acct"
secret = "another-good-one"
networks = ["192.0.2.0/24", "2001:db8::/32"]

[numbers.main]
number = "+12125550100"
destination = "205"

[locations.hall]
name = "Hall \\"A\\" — naïve"
networks = ["192.168.10.0/24"]
civic = { country = "US", A1 = "NY", LOC = "Hall" }

[emergency]
default_location = "hall"
"""

TEN_ERRORS = """
name = "Main office"
time_zone = "Europe/Berln"
colour = "blue"

[users.dana]
name = "Dana Reyes"
extension = "205"

[users.lee]
name = "Lee"
extension = "205"

[users.kim]
name = ""
extension = 207

[devices.dana-desk]
owner = "dnaa"
sip_user = "desk 205"
secret = "short"

[devices.door]
sip_user = "door"
secret = "kh4-vw9-qqx-3zt"

[trunks.carrier]
name = "Carrier"
host = "sip:sip.example.net"
username = "acct"
"""


def write(folder: Path, text: str | bytes, name: str = "site.toml") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def problems_of(path: Path) -> tuple[Problem, ...]:
    with pytest.raises(DocumentError) as caught:
        load_file(path)
    assert caught.value.problems
    return caught.value.problems


def validate(raw: object) -> tuple[Site | None, tuple[Problem, ...]]:
    """The site in a raw document with its secrets, or every problem in it."""
    try:
        return parse(raw)[0], ()
    except DocumentError as error:
        return None, error.problems


def test_a_good_file_loads_from_toml_and_json(tmp_path: Path) -> None:
    site, secrets = load_file(write(tmp_path, GOOD))
    assert (site.users["dana"].extension, site.locations["hall"].civic.A1) == ("205", "NY")
    assert secrets == {"devices.dana-desk.secret": "kh4-vw9-qqx-3zt", "trunks.carrier.secret": "another-good-one"}
    assert load_file(write(tmp_path, json.dumps(tomllib.loads(GOOD)), "site.json")) == (site, secrets)
    assert load_file(write(tmp_path, b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode(), "windows.TOML")) == (site, secrets)


def test_json_and_toml_out_have_no_secrets_and_read_back_as_the_same_site(tmp_path: Path) -> None:
    site, secrets = load_file(write(tmp_path, GOOD))
    for text, suffix in ((dump_json(site), "json"), (dump_toml(site), "toml")):
        path = write(tmp_path, text, f"out.{suffix}")
        assert not any(secret in text for secret in secrets.values())
        assert parse(read_file(path), secrets.keys()) == (site, {})
        assert [problem.path for problem in problems_of(path)] == ["trunks.carrier.secret"], "a box without that vault lacks the carrier's password"
    assert "rtp_first_port" in dump_json(site)
    assert "rtp_first_port" not in dump_toml(site)


def test_house_dialling_stands_in_no_file_unless_it_was_changed(tmp_path: Path) -> None:
    assert "flows" not in dump_toml(Site())
    raw = json.loads(dump_json(Site()))
    raw["flows"]["house"]["steps"]["dial"]["settings"]["targets"].append({"user": "dana", "when": {"open": [1, [2.5, {"x": True}]]}})
    changed = Site.model_validate(raw)
    assert Site.model_validate(tomllib.loads(dump_toml(changed))) == changed != Site()


@given(
    st.dictionaries(
        st.from_regex(r"[a-z0-9][a-z0-9-]{0,5}", fullmatch=True), st.text(st.characters(codec="utf-8", exclude_characters="\x7f"), max_size=20), max_size=4
    )
)
def test_any_text_survives_toml(names: dict[str, str]) -> None:
    users = {key: User.model_construct(name=text, extension="205") for key, text in names.items()}
    site = Site.model_construct(users=users, interfaces=(Interface(address="10.0.0.1"), Interface(address="10.0.0.2", advertised="192.0.2.1")))
    back = tomllib.loads(dump_toml(site))
    assert {key: user["name"] for key, user in back.get("users", {}).items()} == names
    assert [interface["address"] for interface in back["interfaces"]] == ["10.0.0.1", "10.0.0.2"]


def test_a_file_with_ten_errors_lists_them_all_at_once(tmp_path: Path) -> None:
    found = {problem.path: problem for problem in problems_of(write(tmp_path, TEN_ERRORS))}
    assert set(found) == {
        "time_zone",
        "colour",
        "users.lee.extension",
        "users.kim.name",
        "users.kim.extension",
        "devices.dana-desk.owner",
        "devices.dana-desk.sip_user",
        "devices.dana-desk.secret",
        "devices.door.extension",
        "trunks.carrier.host",
        "trunks.carrier.secret",
        "main_number",
    }
    assert found["users.lee.extension"].sentence == "205 is taken by users.dana"
    assert found["users.lee.extension"].hint == "free nearby: 206, 207"
    assert found["users.kim.extension"].hint == 'put it in quotes: "207"'
    assert found["devices.dana-desk.owner"].hint == 'did you mean "dana"?'
    assert found["time_zone"].hint == 'did you mean "Europe/Berlin"?'
    assert "short" not in found["devices.dana-desk.secret"].sentence.replace("shorter", "")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("site.toml", 'name = "x"\nusers = dana\n', r"is not valid TOML: .*line 2"),
        ("site.toml", "[users.dana]\n[users.dana]\n", r"is not valid TOML"),
        ("site.toml", "a = 1" + "0" * 5000, r"is not valid TOML"),
        ("site.toml", "a = " + "[" * 100000, r"nested too deeply|not valid TOML"),
        ("site.json", '{"name": }', r"is not valid JSON: .*line 1"),
        ("site.json", "[" * 100000, r"nested too deeply|not valid JSON"),
        ("site.json", "[]", r"does not hold an object"),
        ("site.json", '"name"', r"does not hold an object"),
        ("site.json", "", r"is not valid JSON"),
        ("site.toml", b"name = '\xff'", r"is not UTF-8 text \(line 1\)"),
        ("site.toml", b"#" * (MAX_BYTES + 1), r"is larger than 8 MiB"),
        ("site.yaml", "name: x", r"neither a \.toml nor a \.json"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_clear_problem(tmp_path: Path, name: str, content: str | bytes, says: str) -> None:
    (problem,) = problems_of(write(tmp_path, content, name))
    assert problem.path == name
    assert re.search(says, problem.sentence)
    assert problem.hint


def test_things_that_are_no_files_are_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "folder.toml").mkdir()
    os.mkfifo(tmp_path / "pipe.toml")
    for name, says in (("folder.toml", "is not a file"), ("pipe.toml", "is not a file"), ("absent.toml", "does not exist"), ("nul\0.toml", "cannot be read")):
        (problem,) = problems_of(tmp_path / name)
        assert says in problem.sentence
        assert problem.path.isprintable()


def test_a_json_key_written_twice_is_refused_with_its_path(tmp_path: Path) -> None:
    text = '{"users": {"dana": {"name": "A"}, "dana": {"name": "B"}}, "interfaces": [{"address": "::1", "address": "::2"}]}'
    assert [problem.path for problem in problems_of(write(tmp_path, text, "site.json"))] == ["users.dana", "interfaces[0].address"]


@pytest.mark.parametrize(
    ("raw", "path", "sentence", "hint"),
    [
        ({"nme": "x"}, "nme", "is not a known field", 'did you mean "name"?'),
        ({"users": {"dana": {"extension": "205"}}}, "users.dana.name", "is missing", ""),
        ({"users": {"dana": {"name": "D", "extension": "20a"}}}, "users.dana.extension", '"20a" is not an extension', '2 to 8 digits: "205"'),
        ({"users": {"Dana X": {"name": "D", "extension": "205"}}}, 'users."Dana X"', '"Dana X" is not an id', "small letters"),
        ({"users": []}, "users", "must be a group of fields, and is a list", "heading"),
        ({"users": {"dana": 5}}, "users.dana", "must be a group of fields, and is a number", "heading"),
        ({"name": None}, "name", "must be text, and is nothing", ""),
        ({"name": "a\nb"}, "name", "holds a control character", ""),
        ({"name": "x" * 81}, "name", "is longer than 80 characters", "at most 80"),
        ({"name": "\ud800"}, "name", "must be text", ""),
        ({"sip": {"ring_seconds": 1}}, "sip.ring_seconds", "1 is too small", "5 or more"),
        ({"sip": {"ring_seconds": "soon"}}, "sip.ring_seconds", "must be a whole number, and is text", "without quotes"),
        ({"sip": {"codecs": ["g729"]}}, "sip.codecs[0]", '"g729" is not one of the choices', '"opus"'),
        ({"sip": {"codecs": "g722"}}, "sip.codecs", "must be a list, and is text", "brackets"),
        ({"main_number": "2125550123"}, "main_number", '"2125550123" is not a full telephone number', "+12125550123"),
        ({"domain": "sip:x"}, "domain", '"sip:x" is not a host name', ""),
        ({"country": "usa"}, "country", '"usa" is not a country', '"US"'),
        ({"locations": {"hall": {"name": "Hall"}}}, "locations.hall.civic", "is missing", ""),
        (
            {"trunks": {"t": {"name": "T", "host": "h", "networks": ["10.0.0.5/24"]}}},
            "trunks.t.networks[0]",
            '"10.0.0.5/24" is not a network',
            'the network of that address is "10.0.0.0/24"',
        ),
        ({"trunks": {"t": {"name": "T", "host": "h", "enabled": "perhaps"}}}, "trunks.t.enabled", "must be true or false, and is text", "without quotes"),
    ],
)
def test_field_errors_are_told_in_plain_words(raw: dict[str, Any], path: str, sentence: str, hint: str) -> None:
    site, problems = validate(raw)
    assert site is None
    found = [problem for problem in problems if problem.path == path]
    assert found, problems
    assert found[0].sentence.startswith(sentence)
    assert hint in found[0].hint


@pytest.mark.parametrize("raw", [None, 5, "site", [], [{"name": "x"}]])
def test_a_document_of_the_wrong_type_is_one_problem(raw: object) -> None:
    with pytest.raises(DocumentError) as caught:
        parse(raw)
    assert [problem.path for problem in caught.value.problems] == ["document"]


def test_every_pattern_of_the_models_has_words() -> None:
    patterns = set(re.findall(r'"pattern": "((?:[^"\\]|\\.)*)"', json.dumps(Site.model_json_schema())))
    assert {json.loads(f'"{pattern}"') for pattern in patterns} <= set(EXPECTED)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["205", "911", "dana", "+12125550123", "10.0.0.0/8"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)


@st.composite
def damaged(draw: st.DrawFn) -> dict[str, Any]:
    """The good site with some of its values replaced or removed."""
    raw: dict[str, Any] = tomllib.loads(GOOD)
    for _ in range(draw(st.integers(1, 4))):
        here: Any = raw
        while True:
            key = draw(st.sampled_from(sorted(here)))
            if isinstance(here[key], dict) and here[key] and draw(st.booleans()):
                here = here[key]
                continue
            break
        if draw(st.booleans()):
            here[key] = draw(json_values)
        elif len(here) > 1:
            del here[key]
    return raw


@given(damaged())
def test_whatever_is_wrong_gets_sentences_and_never_a_traceback(raw: dict[str, Any]) -> None:
    site, problems = validate(raw)
    assert (site is None) == bool(problems)
    for problem in problems:
        assert problem.path
        assert problem.sentence
        str(problem).encode()
