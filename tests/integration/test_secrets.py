"""Passwords on a running box: changed they count at once, a rollback brings none back, and without its vault the box still calls for help."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.site.vault import Vault
from tests.integration.conftest import BoxMaker, PhoneMaker
from tests.support.box import ROOT, Box
from tests.support.carrier import Carrier
from tests.support.proc import wait_until
from tests.support.rawsip import RawPeer
from tests.support.sites import add_trunk, make_site, secret
from tests.support.wellbeing import register

Maker = Callable[..., Any]
PHONE_201 = "devices.phone-201.secret"
NEW = "tin-whistle-7"
CARRIER = "127.0.0.5"


@pytest.fixture
def peer() -> Iterator[RawPeer]:
    with RawPeer() as made:
        yield made


def set_secret(box: Box, name: str, value: str) -> str:
    """`holdfast secret set`, as a script uses it."""
    argv = [sys.executable, "-m", "appliance.cli.main", "secret", "set", name]
    done = subprocess.run(argv, input=f"{value}\n", env=box.env, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def signs_in(box: Box, peer: RawPeer, password: str) -> bool:
    status = register(box, peer, "201", password=password).status
    assert status in (200, 403)
    return status == 200


@pytest.mark.row("E3")
def test_a_changed_password_counts_at_once_and_a_rollback_does_not_bring_the_old_one_back(box: BoxMaker, phone: PhoneMaker) -> None:
    home: Box = box(make_site(2))
    desk, other = phone("desk"), phone("other")
    assert desk.register("201", secret(201), home.sip).ok
    assert other.register("202", secret(202), home.sip).ok
    call = other.call(home.uri("201")).wait("CONFIRMED")
    assert "changed" in set_secret(home, PHONE_201, NEW)
    assert not phone("thief").register("201", secret(201), home.sip).ok, "the old one is refused"
    assert phone("new").register("201", NEW, home.sip).ok
    heard = call.stats()["rx"]
    call.wait_heard(heard + 50)
    assert call.state == "CONFIRMED", "who talks does not notice"
    call.hangup()
    assert phone("again").register("202", secret(202), home.sip).ok, "nobody else's password has changed"

    home.cli("site", "set", "name", "Renamed")
    home.cli("site", "commit")
    assert home.status()["site"] == "Renamed"
    home.cli("site", "rollback", "1")
    assert home.status()["site"] == "Test site"
    assert not phone("thief-2").register("201", secret(201), home.sip).ok
    assert phone("new-2").register("201", NEW, home.sip).ok


def test_a_password_that_is_part_of_a_change_counts_with_its_commit_and_stays_after_a_rollback(box: BoxMaker, peer: RawPeer) -> None:
    home: Box = box(make_site(1))
    editor = home.editor()
    editor.set(PHONE_201, "given up on")
    editor.discard()
    editor.set(PHONE_201, NEW)
    home.rpc("secrets.changed")
    assert signs_in(home, peer, secret(201)), "until the commit the old one counts"
    home.load(make_site(1) | {"name": "Renamed", "devices": {"phone-201": {**make_site(1)["devices"]["phone-201"], "secret": NEW}}})
    assert signs_in(home, peer, NEW)
    assert not signs_in(home, peer, secret(201))
    editor.rollback(1)
    home.activate()
    assert home.status()["site"] == "Test site"
    assert signs_in(home, peer, NEW)
    assert not signs_in(home, peer, secret(201))


def test_an_unconfirmed_commit_taken_back_leaves_the_password_it_brought(box: BoxMaker, peer: RawPeer) -> None:
    home: Box = box(make_site(1))
    editor = home.editor()
    editor.set(PHONE_201, NEW)
    editor.set("name", "On trial")
    editor.commit("on trial", confirm_minutes=5)
    home.activate()
    assert signs_in(home, peer, NEW)
    editor.undo()
    home.activate()
    assert home.status()["site"] == "Test site"
    assert signs_in(home, peer, NEW)
    assert not signs_in(home, peer, secret(201))


@pytest.mark.row("E3")
def test_reveals_are_on_record_by_command_and_by_sign_in(box: BoxMaker) -> None:
    home: Box = box(make_site(2))
    assert home.cli("secret", "reveal", PHONE_201).strip() == secret(201)
    assert secret(202) in home.cli("sign-in", "202")
    assert [reveal.name for reveal in Vault(home.data).reveals()] == [PHONE_201, "devices.phone-202.secret"]
    made = home.cli("secret", "new", PHONE_201)
    assert home.cli("secret", "reveal", PHONE_201).strip() not in made
    text = home.log.read_text()
    assert "were shown to uid" in text
    assert secret(201) not in text
    assert Vault(home.data).values(1)[PHONE_201] not in text


def test_a_password_changed_by_somebody_who_was_killed_before_telling_counts_within_seconds(box: BoxMaker, peer: RawPeer) -> None:
    home: Box = box(make_site(1))
    assert signs_in(home, peer, secret(201))
    Vault(home.data).put({PHONE_201: NEW})
    wait_until(lambda: signs_in(home, peer, NEW), 5.0, "the new password is taken")
    assert not signs_in(home, peer, secret(201))


def test_a_trunks_password_is_used_at_once(box: BoxMaker, carrier: Maker) -> None:
    line: Carrier = carrier(CARRIER, accounts={"box-user": "right-secret"})
    home: Box = box(add_trunk(make_site(1), "acme", line.ip, line.port, username="box-user", secret="wrong-secret"))
    wait_until(lambda: home.status()["trunks"][0]["state"] == "down", 15.0, "the refusal in status")
    set_secret(home, "trunks.acme.secret", "right-secret")
    line.wait_registered()
    wait_until(lambda: home.status()["trunks"][0]["state"] == "up", 15.0, "the trunk registered in status")


def test_no_secret_is_on_the_disk_in_the_clear(box: BoxMaker) -> None:
    home: Box = box(add_trunk(make_site(3), "acme", CARRIER, 5060, username="box-user", secret="Zq7-carrier"))
    home.stop()
    held = [path for path in home.data.rglob("*") if path.is_file()]
    assert len(held) > 6
    for path in held:
        data = path.read_bytes()
        assert b"Zq7" not in data, path
        assert b"secret-20" not in data, path


@pytest.mark.parametrize("damage", ["key lost", "file damaged"])
def test_without_its_vault_nobody_signs_in_and_emergency_calls_go_out(box: BoxMaker, carrier: Maker, peer: RawPeer, damage: str) -> None:
    line: Carrier = carrier(CARRIER)
    home: Box = box(add_trunk(make_site(2), "acme", line.ip, line.port))
    home.stop()
    vault = home.data / "vault"
    if damage == "key lost":
        (vault / "key").rename(vault / "key.away")
    else:
        (vault / "secrets").write_bytes((vault / "secrets").read_bytes()[:-3])
    home.start()
    alarms = {alarm["code"]: alarm for alarm in home.status()["alarms"]}
    assert "emergency calls work" in alarms["vault"]["sentence"]
    assert alarms["vault"]["hint"]
    for guess in (secret(201), "None", "\t"):
        assert register(home, peer, "201", password=guess).status in (401, 403)
    out = carrier("127.0.0.1").call(home.uri("911"), home.sip, from_uri=home.uri("201"))
    assert line.wait_call().invite.uri.startswith("sip:911@")
    out.wait_answer().hangup()
    if damage == "key lost":
        (vault / "key.away").rename(vault / "key")
        home.rpc("secrets.changed")
        assert signs_in(home, peer, secret(201)), "with the key back it goes on as before"
        assert "vault" not in {alarm["code"] for alarm in home.status()["alarms"]}


def test_a_vault_that_vanishes_from_a_running_box_takes_nobodys_password(box: BoxMaker, peer: RawPeer) -> None:
    home: Box = box(make_site(1))
    (home.data / "vault").rename(home.data / "away")
    wait_until(lambda: any(alarm["code"] == "vault" for alarm in home.status()["alarms"]), 5.0, "the alarm")
    assert signs_in(home, peer, secret(201))
    (home.data / "away").rename(home.data / "vault")
    wait_until(lambda: not home.status()["alarms"], 5.0, "the end of the alarm")


def test_a_data_folder_of_the_release_before_the_vault_runs_on(box: BoxMaker, peer: RawPeer) -> None:
    """Its revisions hold the secrets in the clear."""
    home: Box = box(make_site(1))
    home.stop()
    path = home.data / "site" / "revisions" / "000001.json"
    raw = json.loads(path.read_text())
    raw["site"]["devices"]["phone-201"]["secret"] = "Zq7-from-before"
    path.write_text(json.dumps(raw))
    for name in ("secrets", "key"):
        (home.data / "vault" / name).unlink()
    (home.data / "site" / "clean").unlink(missing_ok=True)
    home.start()
    assert signs_in(home, peer, "Zq7-from-before")
    assert b"Zq7" not in b"".join(file.read_bytes() for file in home.data.rglob("*") if file.is_file())
    assert home.status()["alarms"] == []


def test_a_first_start_has_secrets_of_its_own(box: BoxMaker, peer: RawPeer, tmp_path: Path) -> None:
    homes: list[Box] = [box(make_site(1), env={"HOLDFAST_SITE": ""}) for _ in range(2)]
    found = [json.loads(home.cli("sign-in", "1001", "--json"))["devices"][0]["secret"] for home in homes]
    assert len(set(found)) == 2
    assert register(homes[0], peer, "1001", password=found[0]).status == 200
    assert register(homes[0], peer, "1001", password=found[1]).status == 403
    assert homes[0].status()["alarms"] == []
