"""The vault: which secret counts when, sealed on disk, whole whatever kills the process, and silent about what it holds."""

from __future__ import annotations

import json
import logging
import os
import random
import shutil
import signal
import stat
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from appliance.errors import HoldfastError, NotFound, StateError
from appliance.site.vault import Secrets, Vault, signs_in

SECRET, OTHER = "Zq7-secret", "Zq7-other"
A, B, C = "devices.a.secret", "devices.b.secret", "trunks.c.secret"


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path)


def in_child(work: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    return child


# ---- which secret counts -----------------------------------------------------------------------------------------


def test_an_empty_vault_has_nothing_and_makes_nothing_on_disk(vault: Vault, tmp_path: Path) -> None:
    assert vault.values(1) == {}
    assert vault.names(1, staged=True) == frozenset()
    assert vault.stamp() == (0, 0, 0)
    assert list(tmp_path.iterdir()) == []


def test_what_is_staged_counts_from_the_revision_it_is_promoted_to(vault: Vault) -> None:
    vault.put({A: "old-a"})
    vault.stage({A: "new-a", B: "new-b"})
    assert vault.values(4) == {A: "old-a"}
    assert (vault.names(4), vault.names(4, staged=True)) == ({A}, {A, B})
    assert vault.staged() == {A, B}
    vault.promote(5)
    assert vault.values(4) == {A: "old-a"}, "the commit is not done: revision 4 is current"
    assert vault.values(5) == vault.values(9) == {A: "new-a", B: "new-b"}
    vault.prune(5)
    assert vault.values(5) == {A: "new-a", B: "new-b"}
    assert vault.staged() == frozenset()


def test_what_is_put_counts_at_once_in_every_revision_and_ends_what_waited(vault: Vault) -> None:
    vault.stage({A: "staged", B: "staged"})
    vault.promote(3)
    vault.stage({A: "waiting", C: "waiting"})
    vault.put({A: "now"})
    assert [vault.values(revision)[A] for revision in (0, 2, 3, 50)] == ["now"] * 4
    assert vault.staged() == {C}


def test_discard_drops_what_waits_and_nothing_else(vault: Vault) -> None:
    vault.put({A: "counts"})
    vault.stage({A: "waits", B: "waits", C: "waits"})
    vault.unstage([A])
    assert (vault.values(1), vault.staged()) == ({A: "counts"}, {B, C})
    vault.unstage()
    assert (vault.values(1), vault.staged()) == ({A: "counts"}, frozenset())


def test_a_commit_cut_short_leaves_its_secrets_waiting(vault: Vault) -> None:
    vault.put({A: "old"})
    vault.stage({A: "new", B: "new"})
    vault.promote(8)  # and killed before revision 8 was current
    assert vault.names(7, staged=True) == {A, B}
    vault.prune(7)
    assert (vault.values(7), vault.staged()) == ({A: "old"}, {A, B})
    vault.stage({B: "newer"})
    vault.promote(8)
    assert vault.values(8) == {A: "new", B: "newer"}


def test_a_commit_cut_short_and_discarded_never_comes_to_count(vault: Vault) -> None:
    vault.put({A: "old"})
    vault.stage({A: "new", B: "new"})
    vault.promote(8)
    vault.prune(7)
    vault.unstage()
    vault.promote(8)
    assert vault.values(8) == {A: "old"}


def test_what_was_typed_after_a_commit_was_cut_short_wins_over_it(vault: Vault) -> None:
    vault.stage({A: "first"})
    vault.promote(2)
    vault.stage({A: "second"})
    vault.prune(1)
    vault.promote(2)
    assert vault.values(2) == {A: "second"}


def test_a_new_object_of_an_old_id_does_not_inherit_its_secret(vault: Vault) -> None:
    vault.put({A: "who left knows it", B: "stays"})
    vault.stage({C: "given"})
    vault.promote(2, forget=[A, C, "devices.unknown.secret"])
    assert vault.values(1) == {A: "who left knows it", B: "stays"}
    assert vault.values(2) == {B: "stays", C: "given"}
    vault.prune(2)
    assert vault.values(2) == {B: "stays", C: "given"}
    vault.promote(3, forget=[B])
    vault.prune(2)  # revision 3 never came to be
    assert vault.values(2) == {B: "stays", C: "given"}


def test_an_older_site_that_runs_for_a_while_has_todays_secrets(vault: Vault) -> None:
    """Rescue runs an old revision; the phones know the passwords of today."""
    vault.stage({A: "today"})
    vault.promote(9)
    vault.prune(9)
    assert vault.values(9) == {A: "today"}
    assert vault.values(2) == {A: "today"}


class Life(RuleBasedStateMachine):
    """Editing, commits, cut-short commits, discards and rollbacks in any order, against a model that knows only the rule.

    The rule: a password changes by being put, or by a commit that follows its staging; nothing else changes it, a rollback above all.
    """

    names = st.sampled_from([A, B, C])
    values = st.text(min_size=1, max_size=3)

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.vault = Vault(Path(self.folder.name))
        self.revision = 1
        self.counting: dict[str, str] = {}
        self.waiting: dict[str, str] = {}

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()

    @rule(name=names, value=values)
    def stage(self, name: str, value: str) -> None:
        self.vault.prune(self.revision)
        self.vault.stage({name: value})
        self.waiting[name] = value

    @rule(name=names, value=values)
    def put(self, name: str, value: str) -> None:
        self.vault.put({name: value})
        self.counting[name] = value
        self.waiting.pop(name, None)

    @rule(names=st.none() | st.sets(names))
    def discard(self, names: set[str] | None) -> None:
        self.vault.prune(self.revision)
        self.vault.unstage(names)
        self.waiting = {} if names is None else {name: value for name, value in self.waiting.items() if name not in names}

    @rule(skipped=st.integers(0, 2))
    def commit(self, skipped: int) -> None:
        """`skipped`: numbers of revision files that were written and never became current."""
        self.vault.prune(self.revision)
        number = self.revision + 1 + skipped
        self.vault.promote(number)
        assert self.vault.values(self.revision) == self.counting, "until the pointer moves the old ones count"
        self.revision = number
        self.vault.prune(number)
        self.counting |= self.waiting
        self.waiting = {}

    @rule()
    def commit_cut_short(self) -> None:
        self.vault.prune(self.revision)
        self.vault.promote(self.revision + 1)

    @precondition(lambda self: not self.waiting)
    @rule()
    def rollback(self) -> None:
        """A new revision with an old one's content: nothing is staged, so nothing may change."""
        before = dict(self.counting)
        self.commit(0)
        assert self.counting == before

    @rule()
    def another_process(self) -> None:
        self.vault = Vault(Path(self.folder.name))

    @invariant()
    def only_the_rule_changes_passwords(self) -> None:
        if hasattr(self, "vault"):
            assert self.vault.values(self.revision) == self.counting
            assert self.vault.names(self.revision, staged=True) == set(self.counting) | set(self.waiting)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


# ---- people's passwords ------------------------------------------------------------------------------------------


@pytest.mark.row("A10")
def test_of_a_persons_password_only_a_hash_is_kept(vault: Vault) -> None:
    vault.stage({"users.dana.password": "tin whistle"})
    vault.put({"users.lee.password": "tin whistle"})
    vault.promote(1)
    kept = vault.values(1)
    assert len(set(kept.values())) == 2, "salted"
    for value in kept.values():
        assert value.startswith("$argon2id$")
        assert signs_in(value, "tin whistle")
        assert not signs_in(value, "tin whistle ")
        assert not signs_in(value, value)
    assert not signs_in("", "")
    assert not signs_in("", "tin whistle")
    with pytest.raises(HoldfastError, match="hash") as caught:
        vault.reveal("users.dana.password", "tester", 1)
    assert "holdfast secret set" in caught.value.hint


def test_a_hash_of_an_export_is_kept_unless_checking_it_would_stop_the_box(vault: Vault) -> None:
    vault.put({"users.dana.password": "tin whistle"})
    kept = vault.values(1)["users.dana.password"]
    vault.put({"users.lee.password": kept, "users.kim.password": kept.replace("m=19456", "m=99999999")})
    assert signs_in(vault.values(1)["users.lee.password"], "tin whistle")
    assert "99999999" not in vault.values(1)["users.kim.password"]


# ---- reveals -----------------------------------------------------------------------------------------------------


@pytest.mark.row("E3")
def test_a_reveal_is_on_the_disk_before_it_answers(vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vault.put({A: SECRET})
    synced: list[str] = []
    fsync = os.fsync

    def seen(descriptor: int) -> None:
        fsync(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if path.name == "reveals.jsonl":
            synced.append(path.read_text())

    monkeypatch.setattr(os, "fsync", seen)
    assert vault.reveal(A, "dana (uid 7)", 1) == "Zq7-secret"
    assert vault.reveal(A, "lee", 1) == "Zq7-secret"
    assert [text.count("\n") for text in synced] == [1, 2]
    assert [(reveal.name, reveal.who) for reveal in vault.reveals()] == [(A, "dana (uid 7)"), (A, "lee")]
    assert "Zq7" not in synced[-1]
    assert stat.S_IMODE((tmp_path / "vault" / "reveals.jsonl").stat().st_mode) == 0o600


def test_what_cannot_be_recorded_is_not_revealed(vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vault.put({A: SECRET})
    (tmp_path / "vault" / "reveals.jsonl").mkdir()
    with pytest.raises(StateError) as caught:
        vault.reveal(A, "dana", 1)
    assert "Zq7" not in str(caught.value)


def test_nothing_is_recorded_of_a_secret_that_is_not_there(vault: Vault) -> None:
    vault.stage({A: "waits"})
    for name in (A, "devices.unknown.secret"):
        with pytest.raises(NotFound):
            vault.reveal(name, "dana", 1)
    assert vault.reveals() == []


def test_a_line_torn_by_a_kill_spoils_no_other(vault: Vault, tmp_path: Path) -> None:
    vault.put({A: "x"})
    vault.reveal(A, "first", 1)
    with (tmp_path / "vault" / "reveals.jsonl").open("ab") as file:
        file.write(b'{"time": 1.0, "na')
    vault.reveal(A, "second", 1)
    assert [reveal.who for reveal in vault.reveals()] == ["first", "second"]


# ---- sealed ------------------------------------------------------------------------------------------------------


def test_nothing_on_disk_shows_a_secret_or_a_name(vault: Vault, tmp_path: Path) -> None:
    vault.put({A: SECRET})
    vault.stage({B: OTHER})
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert b"Zq7" not in path.read_bytes()
            assert b"devices" not in path.read_bytes()
    sealed = (tmp_path / "vault" / "secrets").read_bytes()
    vault.put({A: "x"})
    vault.put({A: SECRET})
    assert (tmp_path / "vault" / "secrets").read_bytes() != sealed, "never the same nonce again"


def test_files_are_the_owners_alone(vault: Vault, tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        vault.put({A: "x"})
        vault.reveal(A, "dana", 1)
    finally:
        os.umask(previous)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "vault").iterdir()}
    assert modes == {"secrets": 0o600, "key": 0o600, "lock": 0o600, "reveals.jsonl": 0o600}
    assert stat.S_IMODE((tmp_path / "vault").stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_changes_belongs_to_the_owner_of_the_folder(vault: Vault, tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12345)
    vault.put({A: "x"})
    vault.reveal(A, "dana", 1)
    assert {path.stat().st_uid for path in (tmp_path / "vault").rglob("*")} == {12345}


def damage_key_gone(folder: Path) -> None:
    (folder / "key").unlink()


def damage_key_other(folder: Path) -> None:
    (folder / "key").write_bytes(os.urandom(32))


def damage_key_short(folder: Path) -> None:
    (folder / "key").write_bytes(b"short")


def damage_empty(folder: Path) -> None:
    (folder / "secrets").write_bytes(b"")


def damage_cut(folder: Path) -> None:
    path = folder / "secrets"
    path.write_bytes(path.read_bytes()[:-1])


def damage_headless(folder: Path) -> None:
    path = folder / "secrets"
    path.write_bytes(path.read_bytes()[:10])


def damage_bit(folder: Path) -> None:
    path = folder / "secrets"
    sealed = bytearray(path.read_bytes())
    sealed[-20] ^= 1
    path.write_bytes(sealed)


def damage_newer(folder: Path) -> None:
    path = folder / "secrets"
    path.write_bytes(b"HFVAULT2" + path.read_bytes()[8:])


def damage_folder(folder: Path) -> None:
    (folder / "secrets").unlink()
    (folder / "secrets").mkdir()


@pytest.mark.parametrize(
    "damage",
    [damage_key_gone, damage_key_other, damage_key_short, damage_empty, damage_cut, damage_headless, damage_bit, damage_newer, damage_folder],
    ids=lambda damage: damage.__name__,
)
def test_damage_is_one_clear_error_and_nothing_is_written_over_it(
    vault: Vault, tmp_path: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    vault.put({A: SECRET})
    damage(tmp_path / "vault")
    before = {path.name: path.read_bytes() for path in (tmp_path / "vault").iterdir() if path.is_file()}
    attempts: list[Callable[[], object]] = [
        lambda: vault.values(1),
        lambda: vault.names(1),
        lambda: vault.stage({B: OTHER}),
        lambda: vault.put({B: OTHER}),
        lambda: vault.promote(2),
        lambda: vault.prune(2),
        vault.unstage,
        lambda: vault.reveal(A, "dana", 1),
    ]
    for attempt in attempts:
        with pytest.raises(StateError) as caught:
            attempt()
        assert caught.value.code == "vault"
        assert caught.value.hint
        assert "Zq7" not in "".join(traceback.format_exception(caught.value))
    assert {path.name: path.read_bytes() for path in (tmp_path / "vault").iterdir() if path.is_file()} == before
    assert "Zq7" not in caplog.text


def test_a_vault_that_is_gone_with_its_folder_begins_anew(vault: Vault, tmp_path: Path) -> None:
    vault.put({A: "x"})
    shutil.rmtree(tmp_path / "vault")
    vault.put({B: "y"})
    assert vault.values(1) == {B: "y"}


def test_a_full_disk_leaves_the_old_content_and_no_litter(vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vault.put({A: "old"})
    before = sorted(path.name for path in (tmp_path / "vault").iterdir())

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StateError, match="No space left"):
            vault.put({A: "new"})
    assert vault.values(1) == {A: "old"}
    assert sorted(path.name for path in (tmp_path / "vault").iterdir()) == before


def test_secrets_are_in_no_repr(vault: Vault) -> None:
    vault.put({A: SECRET})
    vault.stage({B: OTHER})
    values = vault.values(1)
    assert repr(values) == str(values) == f"{values}" == "<1 secrets>"
    assert json.loads(json.dumps(values)) == {A: SECRET}
    assert "Zq7" not in repr(vault) + repr(vault._read())
    assert isinstance(values, Secrets)


def test_the_stamp_changes_with_the_content_and_only_then(vault: Vault) -> None:
    vault.put({A: "x"})
    first = vault.stamp()
    vault.put({A: "x"})
    vault.prune(1)
    vault.unstage()
    assert vault.stamp() == first
    vault.stage({A: "y"})
    assert vault.stamp() != first


# ---- killed ------------------------------------------------------------------------------------------------------


def test_killed_at_random_moments_it_is_one_content_or_the_next(vault: Vault, tmp_path: Path) -> None:
    """A process stages a pair of secrets and commits them, over and over; both of a pair always count together, and none that was committed is lost."""
    pointer = tmp_path / "current"
    pointer.write_text("1")
    vault.put({A: "v1", B: "v1"})
    chance = random.Random(7)
    for _ in range(60):
        reading, writing = os.pipe()
        start = int(pointer.read_text())

        def commit_for_ever(start: int = start, out: int = writing) -> None:
            here = Vault(tmp_path)
            for number in range(start + 1, start + 10_000):
                here.stage({A: f"v{number}", B: f"v{number}"})
                here.prune(number - 1)
                here.promote(number)
                new = tmp_path / "current.new"
                new.write_text(str(number))
                new.replace(pointer)
                here.prune(number)
                os.write(out, b".")

        child = in_child(commit_for_ever)
        os.close(writing)
        with os.fdopen(reading, "rb") as acknowledged:
            acknowledged.read(1)  # it is at work
            time.sleep(chance.uniform(0, 0.01))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            done = start + 1 + len(acknowledged.read())
        current = int(pointer.read_text())
        assert current in (done, done + 1)
        assert vault.values(current) == {A: f"v{current}", B: f"v{current}"}
        vault.prune(current)
        assert vault.values(current) == {A: f"v{current}", B: f"v{current}"}
        assert vault.staged() in (frozenset(), {A, B})
        assert not [path for path in (tmp_path / "vault").iterdir() if path.name not in ("secrets", "key", "lock", ".secrets.new")]


def test_two_first_writers_agree_on_the_key(tmp_path: Path) -> None:
    children = [in_child(lambda n=n: Vault(tmp_path).put({f"devices.{n}.secret": str(n)})) for n in range(6)]
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    assert Vault(tmp_path).values(1) == {f"devices.{n}.secret": str(n) for n in range(6)}
