"""Revisions on disk: saved whole or not at all whatever kills the process, found again when files are damaged, private."""

from __future__ import annotations

import os
import random
import signal
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.errors import NotFound, StateError
from appliance.site.model.people import User
from appliance.site.model.site import Site
from appliance.site.store import KEEP, SiteStore
from appliance.site.validation import check


def site(count: int) -> Site:
    """A site one can tell by its name, large enough that a half-written file would show."""
    users = {f"user-{n}": User(name=f"User {count}.{n}", extension=str(20000 + n)) for n in range(50)}
    return Site(name=f"Site {count}", users=users)


def save(store: SiteStore, count: int) -> int:
    return store.save(site(count), author="tester", comment=f"number {count}", now=1000.0 + count).number


def current_name(store: SiteStore) -> str:
    """The name of the current site, having checked that the site is whole."""
    _, found = store.current()
    assert all(user.name.startswith(f"User {found.name.removeprefix('Site ')}.") for user in found.users.values())
    assert len(found.users) == 50
    return found.name


def in_child(work: Callable[[], None]) -> int:
    """Run `work` in a forked process; its id. A fork, because fifty new interpreters would take a minute."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    return child


def test_what_is_saved_is_current_and_read_back(tmp_path: Path) -> None:
    store = SiteStore(tmp_path / "deep" / "site")
    assert [save(store, 1), save(store, 2)] == [1, 2]
    revision, found = SiteStore(tmp_path / "deep" / "site").current()
    assert (revision.number, revision.author, revision.comment, revision.time) == (2, "tester", "number 2", 1002.0)
    assert found == site(2)
    assert store.read(1) == site(1)
    with pytest.raises(NotFound):
        store.read(3)


def test_an_empty_folder_gets_the_sample(tmp_path: Path) -> None:
    revision, sample = SiteStore(tmp_path / "a").current()
    assert revision.number == 1
    assert SiteStore(tmp_path / "a").current() == (revision, sample)
    assert check(sample) == ()
    assert {user.extension for user in sample.users.values()} == {"1001", "1002", "1003"}


def test_two_first_starts_at_once_agree_on_the_sample(tmp_path: Path) -> None:
    children = [in_child(lambda: SiteStore(tmp_path / "site").current() and None) for _ in range(4)]
    for child in children:
        os.waitpid(child, 0)
    assert SiteStore(tmp_path / "site").current()[0].number == 1
    assert [path.name for path in (tmp_path / "site" / "revisions").iterdir()] == ["000001.json"]


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        store = SiteStore(tmp_path / "site")
        store.mark_good(save(store, 1))
    finally:
        os.umask(previous)
    modes = {path.relative_to(tmp_path).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "site").rglob("*")}
    assert modes == {"site/revisions": 0o700, "site/revisions/000001.json": 0o600, "site/current": 0o600, "site/good": 0o600, "site/lock": 0o600}
    assert stat.S_IMODE((tmp_path / "site").stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_saves_belongs_to_the_owner_of_the_folder(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12345)
    store = SiteStore(tmp_path / "site")
    save(store, 1)
    assert {path.stat().st_uid for path in (tmp_path / "site").rglob("*")} == {12345}


def test_the_last_fifty_the_current_and_the_last_good_are_kept(tmp_path: Path) -> None:
    store = SiteStore(tmp_path)
    store.mark_good(save(store, 1))
    for count in range(2, KEEP + 12):
        save(store, count)
    kept = sorted(int(path.stem) for path in (tmp_path / "revisions").iterdir())
    assert kept == [1, *range(12, KEEP + 12)]
    assert store.last_good() == 1
    assert store.current()[0].number == KEEP + 11


def test_marking_good_is_remembered_and_needs_a_revision(tmp_path: Path) -> None:
    store = SiteStore(tmp_path)
    assert store.last_good() is None
    with pytest.raises(NotFound):
        store.mark_good(1)
    store.mark_good(save(store, 1))
    save(store, 2)
    assert SiteStore(tmp_path).last_good() == 1
    before = (tmp_path / "good").stat().st_ino
    store.mark_good(1)
    assert (tmp_path / "good").stat().st_ino == before  # nothing written: it was so already


@pytest.mark.parametrize("damage", [b"", b'{"number":3,"author":"x","com', b"\0" * 4096, b"[]", b"\xff\xfe", b'{"number":2}', b"[" * 100000])
def test_a_damaged_current_revision_gives_way_to_the_last_good_then_the_newest(tmp_path: Path, damage: bytes) -> None:
    store = SiteStore(tmp_path)
    for count in (1, 2, 3):
        save(store, count)
    (tmp_path / "revisions" / "000003.json").write_bytes(damage)
    assert current_name(store) == "Site 2"
    store.mark_good(1)
    assert current_name(store) == "Site 1"
    with pytest.raises(StateError):
        store.read(3)
    assert save(store, 4) == 4
    assert current_name(store) == "Site 4"


@pytest.mark.parametrize("damage", [b"", b"x", b"\xff", b"99", None])
def test_a_damaged_pointer_gives_way_to_the_newest_readable_revision(tmp_path: Path, damage: bytes | None) -> None:
    store = SiteStore(tmp_path)
    for count in (1, 2, 3):
        save(store, count)
    if damage is None:
        (tmp_path / "current").unlink()
    else:
        (tmp_path / "current").write_bytes(damage)
    assert current_name(store) == "Site 3"


def test_nothing_readable_is_an_error_and_never_the_sample(tmp_path: Path) -> None:
    store = SiteStore(tmp_path)
    save(store, 1)
    (tmp_path / "revisions" / "000001.json").write_bytes(b"")
    with pytest.raises(StateError) as caught:
        store.current()
    assert caught.value.hint


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "site").write_text("a file where the folder should be")
    with pytest.raises(StateError):
        save(SiteStore(tmp_path / "site"), 1)


def test_a_full_disk_leaves_the_old_revision_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SiteStore(tmp_path)
    save(store, 1)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StateError, match="No space left"):
            save(store, 2)
    assert current_name(store) == "Site 1"
    assert [path.name for path in (tmp_path / "revisions").iterdir()] == ["000001.json"]
    assert save(store, 3) == 2


def test_every_file_is_on_the_disk_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SiteStore(tmp_path)
    save(store, 1)
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def seen_fsync(descriptor: int) -> None:
        steps.append(f"fsync {Path(f'/proc/self/fd/{descriptor}').readlink().relative_to(tmp_path)}")
        fsync(descriptor)

    def seen_replace(source: Path, target: Path) -> Path:
        steps.append(f"rename {target.relative_to(tmp_path)}")
        return replace(source, target)

    monkeypatch.setattr(os, "fsync", seen_fsync)
    monkeypatch.setattr(Path, "replace", seen_replace)
    save(store, 2)
    assert steps == [
        "fsync revisions/.000002.json.new",
        "rename revisions/000002.json",
        "fsync revisions",
        "fsync .current.new",
        "rename current",
        "fsync .",
    ]


def test_killed_before_any_one_step_the_current_revision_is_the_old_or_the_new(tmp_path: Path) -> None:
    """The saving process kills itself before its n-th call of the kernel's file functions, for every n until it gets through."""
    store = SiteStore(tmp_path)
    save(store, 0)
    outcomes: list[str] = []
    for step in range(1, 100):

        def save_until_killed(step: int = step) -> None:
            left = [step]

            def audit(event: str, arguments: tuple[object, ...]) -> None:
                if event in {"open", "os.rename", "os.remove", "os.mkdir", "fcntl.flock"}:
                    left[0] -= 1
                    if left[0] == 0:
                        os.kill(os.getpid(), signal.SIGKILL)

            fsync = os.fsync

            def counted_fsync(descriptor: int) -> None:
                audit("open", ())
                fsync(descriptor)

            os.fsync = counted_fsync
            sys.addaudithook(audit)
            save(store, step)

        _, status = os.waitpid(in_child(save_until_killed), 0)
        name = current_name(store)
        expected = {f"Site {step}", outcomes[-1] if outcomes else "Site 0"}
        assert name in expected, f"killed at step {step}"
        outcomes.append(name)
        if os.WIFEXITED(status):
            assert name == f"Site {step}"
            break
    else:
        pytest.fail("the saving process was killed at every step")
    assert len(outcomes) > 8  # a save has at least: lock, two files opened, synced, renamed, two folders synced
    assert "Site 0" in outcomes


def test_killed_at_random_moments_the_current_revision_is_the_old_or_the_new(tmp_path: Path) -> None:
    store = SiteStore(tmp_path)
    done = 0
    save(store, done)
    chance = random.Random(20)
    for _ in range(50):
        reading, writing = os.pipe()

        def save_for_ever(start: int = done, out: int = writing) -> None:
            for count in range(start + 1, start + 10_000):
                save(store, count)
                os.write(out, b"%d\n" % count)

        child = in_child(save_for_ever)
        os.close(writing)
        with os.fdopen(reading, "rb") as acknowledged:
            first = acknowledged.readline()  # it is at work
            time.sleep(chance.uniform(0, 0.02))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            last = int((first + acknowledged.read()).split()[-1])
        assert current_name(store) in {f"Site {last}", f"Site {last + 1}"}
        done = int(current_name(store).removeprefix("Site "))
    assert done >= 50


def test_what_people_save_for_themselves_pushes_no_other_revision_out(tmp_path: Path) -> None:
    store = SiteStore(tmp_path)
    small = Site(name="Small")
    save(store, 1)
    for count in range(KEEP + 10):
        with store.locked():
            store.make_current(store.add(small, author="dana", comment="", now=float(count), alone=True).number)
    numbers = [revision.number for revision in store.history()]
    assert numbers == [*range(KEEP + 11, 11, -1), 1]
    assert (store.read(1).name, store.current()[1].name) == ("Site 1", "Small")
