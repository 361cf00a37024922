"""Secrets of a document: taken out whatever else is in it, judged, and made where a device has none."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import DocumentError
from appliance.site.document import parse
from appliance.site.model.site import Site
from appliance.site.secrets import fill, judge, needed, new_secret, possible, split
from appliance.site.vault import Vault

RAW: dict[str, Any] = {
    "domain": "pbx.example.org",
    "users": {"dana": {"name": "Dana", "extension": "205", "email": "dana.reyes@example.org", "password": "tin whistle"}},
    "devices": {
        "dana-desk": {"owner": "dana", "sip_user": "desk-205", "secret": "kh4-vw9-qqx-3zt"},
        "dana-soft": {"owner": "dana", "sip_user": "soft-205"},
        "door": {"sip_user": "door-phone", "extension": "300", "secret": "zz8-vw9-qqx-3zt"},
    },
    "mailboxes": {"dana": {"name": "Dana", "owner": "dana", "extension": "7205", "pin": "4096"}},
    "trunks": {
        "acme": {"name": "Acme", "host": "sip.acme.example", "username": "acct", "secret": "password"},
        "peer": {"name": "Peer", "host": "192.0.2.1"},
    },
}
SECRETS = {
    "devices.dana-desk.secret": "kh4-vw9-qqx-3zt",
    "devices.door.secret": "zz8-vw9-qqx-3zt",
    "trunks.acme.secret": "password",
    "mailboxes.dana.pin": "4096",
    "users.dana.password": "tin whistle",
}


def changed(path: str, value: object) -> dict[str, Any]:
    raw = copy.deepcopy(RAW)
    here: Any = raw
    *way, last = path.split("/")
    for part in way:
        here = here[part]
    here[last] = value
    return raw


def site() -> Site:
    return Site.model_validate(split(RAW)[0])


def test_every_secret_is_taken_out_and_nothing_else_changes() -> None:
    before = copy.deepcopy(RAW)
    document, secrets, problems = split(RAW)
    assert before == RAW, "what was given is left as it is"
    assert (secrets, problems) == (SECRETS, ())
    text = json.dumps(document)
    assert not any(secret in text for secret in SECRETS.values())
    assert Site.model_validate(document) == site()
    assert split(document) == (document, {}, ())
    assert document["users"]["dana"] == {"name": "Dana", "extension": "205", "email": "dana.reyes@example.org"}


@pytest.mark.parametrize(
    ("path", "value", "at", "sentence", "hint"),
    [
        ("devices/door/secret", "sh0rt", "devices.door.secret", "is shorter than 8 characters", "at least 8"),
        ("devices/door/secret", " sh0rt  ", "devices.door.secret", "is shorter than 8 characters", "at least 8"),
        ("devices/door/secret", "", "devices.door.secret", "is empty", "8 characters"),
        ("devices/door/secret", "x7" * 65, "devices.door.secret", "is longer than 128 characters", "128"),
        ("devices/door/secret", "kh4-vw9\n-qqx", "devices.door.secret", "holds a control character", ""),
        ("devices/door/secret", "kh4-vw9-\ud800", "devices.door.secret", "holds half a character", "plain"),
        ("devices/door/secret", 700700700700, "devices.door.secret", "must be text, and is a number", "in quotes"),
        ("devices/door/secret", ["x"], "devices.door.secret", "must be text, and is a list", "text"),
        ("devices/door/secret", "Door-Phone", "devices.door.secret", "repeats the device's name", "random"),
        ("devices/door/secret", "pbx.example.ORG", "devices.door.secret", "repeats the device's name", "random"),
        ("devices/door/secret", "ChangeMe", "devices.door.secret", "is among the first an attacker tries", "random"),
        ("devices/door/secret", "aaaaaaaaa", "devices.door.secret", "is among the first an attacker tries", "random"),
        ("trunks/acme/secret", "seven77", "trunks.acme.secret", "is shorter than 8 characters", "at least 8"),
        ("trunks/peer/secret", "a-good-long-one", "trunks.peer.username", "is missing: the secret belongs to a user name", "leave out secret"),
        ("mailboxes/dana/pin", "123", "mailboxes.dana.pin", "is not a PIN", "4 to 10 digits"),
        ("mailboxes/dana/pin", "12345678901", "mailboxes.dana.pin", "is not a PIN", "4 to 10 digits"),
        ("mailboxes/dana/pin", "40a6", "mailboxes.dana.pin", "is not a PIN", "4 to 10 digits"),
        ("mailboxes/dana/pin", "٤٠٩٦", "mailboxes.dana.pin", "is not a PIN", "4 to 10 digits"),
        ("mailboxes/dana/pin", 4096, "mailboxes.dana.pin", "must be text, and is a number", "in quotes"),
        ("mailboxes/dana/pin", "7777", "mailboxes.dana.pin", "is among the first an attacker tries", "no order"),
        ("mailboxes/dana/pin", "1234", "mailboxes.dana.pin", "is among the first an attacker tries", "no order"),
        ("mailboxes/dana/pin", "8901", "mailboxes.dana.pin", "is among the first an attacker tries", "no order"),
        ("mailboxes/dana/pin", "9876543", "mailboxes.dana.pin", "is among the first an attacker tries", "no order"),
        ("mailboxes/dana/pin", "7205", "mailboxes.dana.pin", "is the extension", "other digits"),
        ("users/dana/password", "seven77", "users.dana.password", "is shorter than 8 characters", "at least 8"),
        ("users/dana/password", "Dana.Reyes", "users.dana.password", "repeats the user's name", "random"),
        ("users/dana/password", "danadana", "users.dana.password", "repeats the user's name", "random"),
        ("users/dana/password", "kh4-vw9-qqx-3zt", "users.dana.password", "is the secret of the device dana-desk as well", "another"),
    ],
)
@pytest.mark.row("A10")
def test_a_weak_or_misplaced_secret_is_a_problem_at_its_place(path: str, value: object, at: str, sentence: str, hint: str) -> None:
    document, secrets, problems = split(changed(path, value))
    assert [problem.path for problem in problems] == [at]
    assert problems[0].sentence.startswith(sentence)
    assert hint in problems[0].hint
    if at == path.replace("/", "."):
        assert at not in secrets, "what is refused is not kept"
    assert not isinstance(value, str) or len(value) < 4 or value.strip() not in str(problems[0])
    assert document == split(RAW)[0]


def test_the_mailbox_pin_is_not_the_owners_extension_either() -> None:
    raw = changed("mailboxes/dana/pin", "2055")
    assert split(raw)[2] == ()
    raw["users"]["dana"]["extension"] = "2055"
    assert [problem.path for problem in split(raw)[2]] == ["mailboxes.dana.pin"]


def test_blanks_around_a_typed_secret_go_and_those_of_a_password_stay() -> None:
    raw = changed("devices/door/secret", "  zz8-vw9-qqx-3zt ")
    raw["users"]["dana"]["password"] = " tin whistle "
    assert split(raw)[1] == {**SECRETS, "users.dana.password": " tin whistle "}


def test_nothing_written_is_no_secret() -> None:
    raw = changed("devices/door/secret", None)
    document, secrets, problems = split(raw)
    assert "secret" not in document["devices"]["door"]
    assert "devices.door.secret" not in secrets
    assert problems == ()


garbage = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["dana", "kh4-vw9-qqx-3zt", "205"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["secret", "pin", "password", "owner", "dana", "x y", ""]), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([*RAW, "sip"]), garbage, max_size=6) | garbage)
def test_garbage_anywhere_is_left_for_validation(raw: object) -> None:
    document, secrets, problems = split(raw)
    assert all(isinstance(value, str) for value in secrets.values())
    assert not {problem.path for problem in problems if problem.path.endswith((".secret", ".pin"))} & secrets.keys()
    again, taken, _ = split(document)
    assert (again, taken) == (document, {})
    if not isinstance(raw, dict):
        assert document is raw


@given(st.data())
def test_a_good_document_with_garbage_in_it_still_gives_its_other_secrets(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["devices", "trunks", "mailboxes", "users"]))
    raw = changed(kind, data.draw(garbage.filter(lambda value: not isinstance(value, dict))))
    assert split(raw)[1] == {name: value for name, value in SECRETS.items() if not name.startswith(kind)}


# ---- which secrets a site has ------------------------------------------------------------------------------------


def test_the_secrets_a_site_can_have_and_those_it_needs() -> None:
    assert possible(site()) == (
        "devices.dana-desk.secret",
        "devices.dana-soft.secret",
        "devices.door.secret",
        "trunks.acme.secret",
        "trunks.peer.secret",
        "mailboxes.dana.pin",
        "users.dana.password",
        "alerts.mail.password",
        "alerts.webhook.secret",
        "modem.sim.pin",
    )
    assert needed(site()) == {"devices.dana-desk.secret", "devices.dana-soft.secret", "devices.door.secret", "trunks.acme.secret"}


@pytest.mark.row("E3")
def test_devices_without_a_secret_get_one_each() -> None:
    made = fill(site(), {"devices.door.secret", "trunks.acme.secret"})
    assert set(made) == {"devices.dana-desk.secret", "devices.dana-soft.secret"}
    assert len(set(made.values())) == 2
    assert all(len(value) == 20 and not judge(name, value, site(), {}) for name, value in made.items())
    assert fill(site(), possible(site())) == {}
    assert len({new_secret() for _ in range(200)}) == 200


def test_one_secret_is_judged_as_in_a_document() -> None:
    assert judge("devices.door.secret", "zz8-vw9-qqx-3zt", site(), {}) == ()
    weak = {"devices.door.secret": "door-phone", "mailboxes.dana.pin": "7205", "users.dana.password": "danadana", "trunks.acme.secret": "x"}
    for name, value in weak.items():
        assert [problem.path for problem in judge(name, value, site(), {})] == [name]
    for name in ("devices.door", "users.dana.name", "", "devices.secret", "devices..secret.secret.x"):
        with pytest.raises(KeyError):
            judge(name, "zz8-vw9-qqx-3zt", site(), {})


@pytest.mark.row("E3")
def test_the_password_of_a_person_never_registers_a_phone(tmp_path: Any) -> None:
    vault = Vault(tmp_path)
    vault.put(SECRETS)
    known = vault.values(1)
    assert [problem.path for problem in judge("devices.dana-soft.secret", "tin whistle", site(), known)] == ["devices.dana-soft.secret"]
    assert judge("devices.door.secret", "tin whistle", site(), known) == (), "not dana's phone; it says nothing of her password"
    assert [problem.path for problem in judge("users.dana.password", "kh4-vw9-qqx-3zt", site(), known)] == ["users.dana.password"]
    assert judge("users.dana.password", "zz8-vw9-qqx-3zt", site(), known) == ()


def test_a_document_with_weak_secrets_is_refused_with_all_its_other_mistakes() -> None:
    raw = changed("devices/door/secret", "short")
    raw["trunks"]["acme"]["secret"] = "x"
    raw["users"]["dana"]["extension"] = "2"
    with pytest.raises(DocumentError) as caught:
        parse(raw)
    problems = caught.value.problems
    assert {problem.path for problem in problems} >= {"devices.door.secret", "trunks.acme.secret", "users.dana.extension"}
    assert [problem.sentence for problem in problems if problem.path == "trunks.acme.secret"] == ["is shorter than 8 characters"], "not missing, too"
