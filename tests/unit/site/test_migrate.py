"""Data folders of older releases: secrets leave the revisions for the vault, and none is lost whatever kills the process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import StateError
from appliance.site import migrate as module
from appliance.site.migrate import migrate
from appliance.site.store import SiteStore
from appliance.site.vault import Vault

DESK, SOFT, TRUNK = "devices.desk.secret", "devices.soft.secret", "trunks.acme.secret"


def old_site(number: int, devices: tuple[str, ...]) -> dict[str, Any]:
    return {
        "name": f"Site {number}",
        "users": {"dana": {"name": "Dana", "extension": "205"}},
        "devices": {key: {"owner": "dana", "sip_user": key, "secret": f"Zq7-{key}-{number}"} for key in devices},
        "trunks": {"acme": {"name": "Acme", "host": "192.0.2.1", "username": "u", "secret": f"Zq7-acme-{number}"}},
    }


def old_folder(data: Path, current: int = 2) -> None:
    """Three revisions as the release before the vault wrote them; the soft phone is in the first alone."""
    (data / "site" / "revisions").mkdir(parents=True)
    for number, devices in ((1, ("desk", "soft")), (2, ("desk",)), (3, ("desk",))):
        raw = {"number": number, "author": "old", "comment": f"number {number}", "time": 1000.0 + number, "site": old_site(number, devices)}
        (data / "site" / "revisions" / f"{number:06}.json").write_text(json.dumps(raw))
    (data / "site" / "current").write_text(f"{current}\n")


def in_clear(data: Path) -> list[str]:
    return sorted(path.name for path in data.rglob("*") if path.is_file() and b"Zq7" in path.read_bytes())


def test_secrets_of_the_current_revision_count_and_no_file_has_one(tmp_path: Path) -> None:
    old_folder(tmp_path)
    (tmp_path / "site" / "revisions" / ".000004.json.new").write_text('{"site": {"devices": {"desk": {"secret": "Zq7-half')
    assert len(in_clear(tmp_path)) == 4
    assert migrate(tmp_path) == 3
    assert in_clear(tmp_path) == []
    assert Vault(tmp_path).values(2) == {DESK: "Zq7-desk-2", TRUNK: "Zq7-acme-2", SOFT: "Zq7-soft-1"}, "a rollback to 1 finds its phone's secret"
    store = SiteStore(tmp_path / "site")
    revision, site = store.current()
    assert (revision.number, revision.author, revision.comment, revision.time, site.name) == (2, "old", "number 2", 1002.0, "Site 2")
    assert [store.read(number).name for number in (1, 2, 3)] == ["Site 1", "Site 2", "Site 3"]
    assert set(store.read(1).devices) == {"desk", "soft"}


def test_a_second_time_there_is_nothing_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old_folder(tmp_path)
    migrate(tmp_path)
    before = {path: path.stat().st_ino for path in tmp_path.rglob("*")}
    monkeypatch.setattr(module, "_load", lambda path: pytest.fail(f"{path} is read again"))
    assert migrate(tmp_path) == 0
    assert {path: path.stat().st_ino for path in tmp_path.rglob("*")} == before


def test_a_box_that_never_ran_is_left_alone(tmp_path: Path) -> None:
    assert migrate(tmp_path) == 0
    assert list(tmp_path.iterdir()) == []


def test_revisions_without_secrets_are_not_written_anew(tmp_path: Path) -> None:
    store = SiteStore(tmp_path / "site")
    store.current()
    before = (tmp_path / "site" / "revisions" / "000001.json").stat().st_ino
    assert migrate(tmp_path) == 0
    assert (tmp_path / "site" / "revisions" / "000001.json").stat().st_ino == before
    assert not (tmp_path / "vault").exists()


def test_what_the_vault_has_already_is_left_alone(tmp_path: Path) -> None:
    """Killed after the vault, before the files; then somebody changed a password."""
    old_folder(tmp_path)
    Vault(tmp_path).put({DESK: "changed since"})
    assert migrate(tmp_path) == 3
    assert Vault(tmp_path).values(2) == {DESK: "changed since", TRUNK: "Zq7-acme-2", SOFT: "Zq7-soft-1"}


def test_revisions_an_older_release_wrote_in_between_are_found(tmp_path: Path) -> None:
    old_folder(tmp_path)
    migrate(tmp_path)
    raw = {"number": 4, "author": "old", "comment": "", "time": 1004.0, "site": old_site(4, ("desk", "new"))}
    (tmp_path / "site" / "revisions" / "000004.json").write_text(json.dumps(raw))
    (tmp_path / "site" / "current").write_text("4\n")
    assert migrate(tmp_path) == 1
    assert in_clear(tmp_path) == []
    assert Vault(tmp_path).values(4)["devices.new.secret"] == "Zq7-new-4"


def test_weak_secrets_move_as_well(tmp_path: Path) -> None:
    """Rules that became stricter since must not take a phone's password."""
    old_folder(tmp_path)
    path = tmp_path / "site" / "revisions" / "000002.json"
    path.write_text(path.read_text().replace("Zq7-desk-2", "desk"))
    migrate(tmp_path)
    assert Vault(tmp_path).values(2)[DESK] == "desk"


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"site": 5}', b"\xff", b"[" * 100_000])
def test_a_damaged_revision_keeps_no_other_from_being_freed(tmp_path: Path, damage: bytes) -> None:
    old_folder(tmp_path)
    (tmp_path / "site" / "revisions" / "000003.json").write_bytes(damage)
    assert migrate(tmp_path) == 2
    assert in_clear(tmp_path) == []
    assert (tmp_path / "site" / "revisions" / "000003.json").read_bytes() == damage


def test_with_a_damaged_vault_nothing_is_lost_and_the_site_can_still_be_read(tmp_path: Path) -> None:
    old_folder(tmp_path)
    (tmp_path / "vault").mkdir()
    (tmp_path / "vault" / "secrets").write_bytes(b"damaged")
    with pytest.raises(StateError) as caught:
        migrate(tmp_path)
    assert caught.value.hint
    assert len(in_clear(tmp_path)) == 3
    assert SiteStore(tmp_path / "site").current()[1].name == "Site 2", "emergency calls need no secret"
    shutil.rmtree(tmp_path / "vault")
    assert migrate(tmp_path) == 3
    assert Vault(tmp_path).values(2)[DESK] == "Zq7-desk-2"


def test_killed_before_any_one_step_the_next_start_has_every_secret(tmp_path: Path) -> None:
    """The process kills itself before its n-th call of the kernel's file functions, for every n until it gets through."""
    between = 0
    for step in range(1, 200):
        data = tmp_path / str(step)
        old_folder(data)
        child = os.fork()
        if child == 0:
            left = [step]

            def audit(event: str, _: tuple[object, ...], left: list[int] = left) -> None:
                if event in {"open", "os.rename", "os.remove", "os.mkdir", "fcntl.flock"}:
                    left[0] -= 1
                    if left[0] == 0:
                        os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(audit)
            try:
                migrate(data)
            finally:
                os._exit(0)
        killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
        between += len(in_clear(data)) in (1, 2)
        migrate(data)
        assert in_clear(data) == [], f"killed at step {step}"
        assert Vault(data).values(2) == {DESK: "Zq7-desk-2", TRUNK: "Zq7-acme-2", SOFT: "Zq7-soft-1"}, f"killed at step {step}"
        assert SiteStore(data / "site").current()[1].name == "Site 2"
        if not killed:
            break
    else:
        pytest.fail("the process was killed at every step")
    assert between > 3, "some were killed while the files were written"
