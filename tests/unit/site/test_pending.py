"""What waits to be put in place: staged whole, put in place whole whatever kills it, and what was there before kept, taken back, or gone."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from appliance.emergency.journal import read as read_journal
from appliance.errors import StateError
from appliance.site import files, pending
from appliance.site.pending import NEW, OLD, PART, Plan
from appliance.site.store import SiteStore
from appliance.site.vault import Vault
from tests.unit.site.datafolder import make_data, tree, write_journal

RUN_THINGS = ("lock", "run", "speech", "state/names.json")
"""What neither a restore nor its undoing touches."""
ASIDES = ("restore.", OLD)


def unpack(source: Path, part: Path) -> None:
    """As a backup of `source` would be."""
    for name in ("site", "vault", "voicemail", "media", "tls", "web"):
        if (source / name).exists():
            shutil.copytree(source / name, part / name, ignore=shutil.ignore_patterns("lock"))
    (part / "state").mkdir()
    for path in (source / "state").iterdir():
        if path.name in {"state.db", "phones.json"} or (path.name.startswith("emergency.journal") and not path.name.endswith("spare")):
            shutil.copy(path, part / "state" / path.name)


def staged(data: Path, source: Path) -> Plan:
    with pending.staging(data) as part:
        unpack(source, part)
        return pending.stage(data, part, "restore", "the backup of a test", "tester")


def site_of(data: Path) -> str:
    return SiteStore(data / "site").current()[1].name


@pytest.fixture
def boxes(tmp_path):
    """(the box there is, the box a backup was made of)"""
    ours = make_data(tmp_path / "data", "Old", revisions=5, journal=("ours",))
    return ours, make_data(tmp_path / "source", "New", revisions=2, journal=("theirs",), messages=3)


def assert_restored(data: Path, before: dict[str, bytes], source: Path) -> None:
    """The new is in place, the old is put away, what belongs to the box is as it was."""
    present = tree(data, *ASIDES, *RUN_THINGS)
    wanted = tree(source, *RUN_THINGS, "state/emergency", "state/state.db", "site/lock", "vault/lock")
    lacking = {name for name in wanted if present.get(name) != wanted[name]}
    assert not lacking
    assert {name for name in present if name not in wanted and not name.startswith("state/")} <= {"site/lock", "vault/lock", "media/lock"}
    assert site_of(data) == "New 2"
    assert Vault(data).values(2) == {"devices.a.secret": "New-secret"}
    assert tree(data, *ASIDES)["lock"] == before["lock"] and tree(data)["state/names.json"] == before["state/names.json"]
    assert [entry["entry"] for entry in read_journal(data / "state" / "emergency.journal")] == ["ours"]
    (folder,) = (data / "state" / "journals").iterdir()
    assert [entry["entry"] for entry in read_journal(folder / "emergency.journal")] == ["theirs"]
    old = tree(data / OLD)
    assert {name: body for name, body in old.items() if name != "state/state.db"} == {
        name: body for name, body in before.items() if name == "state/phones.json" or not name.startswith((*RUN_THINGS, "state/"))
    }
    assert not [path for path in data.iterdir() if path.name.startswith(("restore.new", "restore.aside", "restore.part"))]


def test_a_restore(boxes):
    data, source = boxes
    before = tree(data)
    staged(data, source)
    assert {name: body for name, body in tree(data).items() if not name.startswith("restore.")} == before
    plan = pending.apply(data)
    assert plan is not None and plan.kind == "restore"
    assert_restored(data, before, source)
    assert pending.apply(data) is None
    pending.sweep(data)
    assert not list(data.glob("restore.*"))


def test_nothing_waits(tmp_path):
    assert pending.waiting(tmp_path) is None
    assert pending.apply(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_onto_an_empty_folder(tmp_path, boxes):
    _, source = boxes
    data = tmp_path / "fresh" / "data"
    staged(data, source)
    assert data.stat().st_mode & 0o777 == 0o750
    pending.apply(data)
    assert site_of(data) == "New 2"
    assert [entry["entry"] for entry in read_journal(data / "state" / "emergency.journal")] == ["theirs"]
    assert not (data / OLD).exists()


def test_back_again_and_forth(boxes):
    data, source = boxes
    before = tree(data, *RUN_THINGS, "state/", "site/lock")
    staged(data, source)
    pending.apply(data)
    pending.stage_undo(data, "tester")
    pending.apply(data)
    assert tree(data, *ASIDES, *RUN_THINGS, "state/", "site/lock") == before
    pending.stage_undo(data, "tester")
    pending.apply(data)
    assert site_of(data) == "New 2"


def test_only_one_generation_is_kept(tmp_path, boxes):
    data, source = boxes
    staged(data, source)
    pending.apply(data)
    staged(data, make_data(tmp_path / "third", "Third"))
    pending.apply(data)
    assert site_of(data) == "Third 3" and site_of(data / OLD) == "New 2"


def test_nothing_to_undo(boxes):
    with pytest.raises(StateError) as caught:
        pending.stage_undo(boxes[0], "tester")
    assert caught.value.code == "nothing-to-undo"


@pytest.mark.parametrize("keep", [True, False])
def test_a_reset(boxes, keep):
    data, source = boxes
    staged(data, source)
    pending.apply(data)
    (data / "something-of-a-later-version").write_text("x")
    with pending.staging(data) as part:
        pending.stage(data, part, "reset", "factory reset", "tester", keep_journal=keep)
    pending.apply(data)
    pending.sweep(data)
    left = {name for name in tree(data) if not name.startswith(("lock", "run/"))}
    assert {name.split("/")[1].removesuffix(".spare") for name in left} == ({"emergency.journal", "journals"} if keep else set())
    assert site_of(data) != "Old 5"  # a fresh sample


def test_a_staging_that_is_given_up_leaves_nothing(tmp_path, boxes):
    data, _ = boxes
    before = tree(data)
    with pytest.raises(KeyError), pending.staging(data) as part:
        (part / "site").mkdir()
        raise KeyError
    assert tree(data) == before and not (data / PART).exists()
    with pytest.raises(KeyError), pending.staging(tmp_path / "new" / "data"):
        raise KeyError
    assert not (tmp_path / "new" / "data").exists()


def test_one_restore_at_a_time(boxes):
    data, _ = boxes
    with pending.staging(data), pytest.raises(StateError) as caught, pending.staging(data):
        pass
    assert caught.value.code == "restore-runs"
    with pending.staging(data):
        pass


def test_what_a_killed_restore_left_is_swept(boxes):
    data, _ = boxes
    (data / PART / "site").mkdir(parents=True)
    (data / PART / "site" / "x").touch()
    with pending.staging(data) as part:
        assert list(part.iterdir()) == []
        (part / "here").touch()
        pending.sweep(data)
        assert (part / "here").exists()
    (data / PART / "site").mkdir(parents=True)
    pending.sweep(data)
    assert not (data / PART).exists()


def test_withdrawn(boxes):
    data, source = boxes
    before = tree(data)
    plan = staged(data, source)
    assert pending.withdraw(data, plan)
    pending.sweep(data)
    assert tree(data) == before
    assert not pending.withdraw(data, plan)
    staged(data, source)
    assert not pending.withdraw(data, plan)  # another one
    pending.apply(data)
    undo = pending.stage_undo(data, "tester")
    assert pending.withdraw(data, undo)
    assert site_of(data / OLD) == "Old 5" and pending.apply(data) is None
    pending.stage_undo(data, "tester")
    pending.apply(data)
    assert site_of(data) == "Old 5"


def test_a_second_one_takes_the_place_of_one_that_waits(tmp_path, boxes):
    data, source = boxes
    staged(data, source)
    staged(data, make_data(tmp_path / "third", "Third"))
    pending.apply(data)
    assert site_of(data) == "Third 3" and site_of(data / OLD) == "Old 5"


def test_a_plan_that_cannot_be_read_is_said_and_replaced_by_the_next(boxes):
    data, source = boxes
    staged(data, source)
    (data / NEW / "plan.json").write_text("{")
    with pytest.raises(StateError):
        pending.apply(data)
    assert site_of(data) == "Old 5"
    staged(data, source)
    pending.apply(data)
    assert site_of(data) == "New 2"


@pytest.mark.parametrize("with_state", [True, False])
def test_a_log_beside_the_old_database_never_meets_the_new_one(boxes, with_state):
    """A box killed with -9 leaves a write-ahead log; a backup of a box that never ran has no state."""
    data, source = boxes
    if not with_state:
        (source / "state" / "state.db").unlink()
    code = (
        "import os,sqlite3,sys; c=sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('PRAGMA journal_mode=WAL');"
        "c.execute('CREATE TABLE ours (x)'); print('made', flush=True); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, data / "state" / "state.db"], check=False, capture_output=True)
    assert (data / "state" / "state.db-wal").stat().st_size > 0
    staged(data, source)
    pending.apply(data)
    assert not list((data / "state").glob("state.db-*"))
    for folder, ours in ((data, 0), (data / OLD, 1))[0 if with_state else 1 :]:
        with closing(sqlite3.connect(folder / "state" / "state.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'ours'").fetchone() == (ours,)


def test_a_unit_on_another_disk_is_refused_before_anything_moves(boxes):
    data, source = boxes
    if subprocess.run(["mount", "-t", "tmpfs", "none", data / "media"], check=False, capture_output=True).returncode:
        pytest.skip("needs the right to mount")
    try:
        with pytest.raises(StateError, match="another disk"):
            staged(data, source)
        assert pending.apply(data) is None and site_of(data) == "Old 5"
        assert not (data / PART).exists()
    finally:
        subprocess.run(["umount", data / "media"], check=True)


# ---- who else is at it -------------------------------------------------------------------------------------------


def test_a_box_that_runs_is_noticed(boxes):
    data, _ = boxes
    assert not pending.runs(data)
    with pending.stopped(data) as free:
        assert free
        assert pending.runs(data)
        with pending.stopped(data) as again:
            assert not again
    assert not pending.runs(data / "nowhere")


def test_who_waits_to_edit_the_old_site_edits_the_new_one(boxes):
    """An editor that waits for the lock while the folder is replaced must end up with the lock of the folder that is there then."""
    data, source = boxes
    staged(data, source)
    code = (
        "import sys; from pathlib import Path; from appliance.site import files, pending\n"
        "data = Path(sys.argv[1])\n"
        "with files.locked(data / 'site', 'the site'):\n"
        "    print('locked', flush=True); sys.stdin.read()\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, data], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None and holder.stdin is not None
    assert holder.stdout.readline() == "locked\n"
    inode = (data / "site" / "lock").stat().st_ino
    started = time.monotonic()
    pending.apply(data)  # goes on without the lock after a while: a start must not depend on an editor
    assert time.monotonic() - started >= pending.LOCK_PATIENCE_S
    assert (data / "site" / "lock").stat().st_ino == inode
    assert site_of(data) == "New 2"
    holder.stdin.close()
    holder.wait(10)
    with files.locked(data / "site", "the site"):
        assert pending.waiting(data) is None


# ---- killed at every step ----------------------------------------------------------------------------------------

_STEPS = {"os.rename", "os.mkdir", "os.link", "os.remove", "os.chown", "open", "sqlite3.connect"}


def killed_at(step: int, data: Path) -> bool:
    """`apply` in a child that is killed with -9 right before its `step`-th change; False when it had ended before."""
    child = os.fork()
    if child == 0:
        left = step

        def hook(event: str, _arguments: tuple) -> None:
            nonlocal left
            if event in _STEPS:
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        code = 3
        try:
            pending.apply(data)
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def every_step(prepare, check, tmp_path: Path) -> int:
    step = 0
    while True:
        data = prepare(tmp_path / f"step-{step}")
        was_killed = killed_at(step, data)
        if was_killed and step % 3 == 0:
            killed_at(random.Random(step).randrange(0, 40), data)
        pending.apply(data)
        check(data)
        shutil.rmtree(tmp_path / f"step-{step}")
        if not was_killed:
            return step
        step += 1


def test_a_restore_killed_at_every_step(boxes, tmp_path):
    data, source = boxes
    before = tree(data)
    staged(data, source)

    def prepare(folder: Path) -> Path:
        return Path(shutil.copytree(data, folder))

    assert every_step(prepare, lambda made: assert_restored(made, before, source), tmp_path) > 40


def test_a_restore_onto_an_empty_box_killed_at_every_step(boxes, tmp_path):
    _, source = boxes
    write_journal(source, *(f"more {n} {'x' * 900}" for n in range(12)))  # several files of it
    entries = [entry["entry"] for entry in read_journal(source / "state" / "emergency.journal")]
    assert len(list((source / "state").glob("emergency.journal.0*"))) >= 2
    fresh = tmp_path / "fresh"
    staged(fresh, source)

    def check(made: Path) -> None:
        assert site_of(made) == "New 2"
        assert [entry["entry"] for entry in read_journal(made / "state" / "emergency.journal")] == entries
        assert not (made / "state" / "journals").exists()

    assert every_step(lambda folder: Path(shutil.copytree(fresh, folder)), check, tmp_path) > 20


def test_an_undo_killed_at_every_step(boxes, tmp_path):
    data, source = boxes
    before = tree(data, *RUN_THINGS, "state/", "site/lock")
    staged(data, source)
    pending.apply(data)
    pending.stage_undo(data, "tester")

    def check(made: Path) -> None:
        assert tree(made, *ASIDES, *RUN_THINGS, "state/", "site/lock") == before
        assert site_of(made / OLD) == "New 2"

    assert every_step(lambda folder: Path(shutil.copytree(data, folder)), check, tmp_path) > 30


def test_a_reset_killed_at_every_step(boxes, tmp_path):
    data, source = boxes
    staged(data, source)
    pending.apply(data)
    with pending.staging(data) as part:
        pending.stage(data, part, "reset", "factory reset", "tester")

    def check(made: Path) -> None:
        pending.sweep(made)
        assert {name.split("/")[0] for name in tree(made)} == {"lock", "run", "state"}
        assert [entry["entry"] for entry in read_journal(made / "state" / "emergency.journal")] == ["ours"]

    assert every_step(lambda folder: Path(shutil.copytree(data, folder)), check, tmp_path) > 15


def test_another_restore_after_one_that_was_killed_half_way(boxes, tmp_path):
    """Nothing that was there before is lost, whichever of the two had put it away."""
    data, source = boxes
    third = make_data(tmp_path / "third", "Third")
    staged(data, source)
    for step in range(0, 60, 4):
        made = Path(shutil.copytree(data, tmp_path / f"step-{step}"))
        killed_at(step, made)
        staged(made, third)
        pending.apply(made)
        assert site_of(made) == "Third 3"
        kept = [path for path in (made / OLD).iterdir() if path.name.startswith("site")]
        assert "Old 5" in {site_of_folder(path) for path in kept}


def site_of_folder(folder: Path) -> str:
    return SiteStore(folder).current()[1].name
