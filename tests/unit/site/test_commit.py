"""Commits cut short: killed before every single write, the old revision is in force with everything still pending, or the new one with nothing pending."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.clock import Moment
from appliance.errors import HoldfastError, StateError
from appliance.site import editing, files
from appliance.site.commit import Place, go_back_when_due, settle
from appliance.site.editing import Editor
from appliance.site.model.site import Site
from tests.support.checking import Here
from tests.support.sites import make_site, secret

TRUNK = {"name": "Acme", "host": "192.0.2.9", "emergency_armed": True}
OLD, NEW = secret("201"), "quite-another-99"
PHONE = "devices.phone-201.secret"


@pytest.fixture(autouse=True)
def _check_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The job itself, without a process of its own for each of hundreds of commits."""
    monkeypatch.setattr(editing, "Job", Here)


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Revision 2 in force; a name, a password and a new device pending, which T4 sets right."""
    folder = tmp_path_factory.mktemp("pattern") / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(editing, "Job", Here)
        editor = Editor(folder, "first")
        editor.replace({**make_site(2), "trunks": {"acme": TRUNK}})
        editor.commit("the first")
    editor.set("name", "New")
    editor.set(PHONE, NEW)
    editor.set("devices.soft", {"owner": "user-201", "sip_user": "soft", "extension": "301"})
    editor.set("users.user-201.main_device", "soft")
    return folder


def writes_of(folder: Path, work: Callable[[], object], stop: int = 10**6) -> int:
    """Run `work` in a forked process that is gone before its write number `stop`; how many writes it made."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        count = 0

        def counted(real: Callable[..., object]) -> Callable[..., object]:
            def write(*args: object, **options: object) -> object:
                nonlocal count
                if count == stop:
                    os.write(writing, bytes([count]))
                    os._exit(0)
                count += 1
                return real(*args, **options)

            return write

        files.write = counted(files.write)  # type: ignore[assignment]
        Path.unlink = counted(Path.unlink)  # type: ignore[assignment,method-assign]
        try:
            work()
            os.write(writing, bytes([count]))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    assert said, "the work failed"
    return said[0]


def name_of(folder: Path) -> str:
    """The name of the site in force."""
    return Place.of(folder).store.current()[1].name


def state(folder: Path) -> tuple[str, int, bool, bool, str]:
    """(name in force, revision, whether anything is pending, whether it waits to be confirmed, the secret that counts)."""
    place, editor = Place.of(folder), Editor(folder, "looker")
    revision, site = place.store.current()
    return site.name, revision.number, bool(editor.pending()), editor.waiting() is not None, place.vault.values(revision.number)[PHONE]


def killed_everywhere(pattern: Path, tmp_path: Path, work: Callable[[Editor], object]) -> list[tuple[str, int, bool, bool, str]]:
    """What is found after a kill before each write, and last after none."""
    found = []
    count = writes_of(pattern, lambda: work(Editor(shutil.copytree(pattern, tmp_path / "whole"), "tester")))
    assert count > 3
    for stop in range(count + 1):
        folder = shutil.copytree(pattern, tmp_path / f"stop-{stop}")
        assert writes_of(folder, lambda folder=folder: work(Editor(folder, "tester")), stop) == stop  # type: ignore[misc]
        found.append(state(folder))
        # Whatever was cut short, the same can be done again.
        editor = Editor(folder, "after")
        if editor.pending():
            editor.commit("again")
        editor.set("users.user-202.name", "After")
        editor.commit("and again")
        name, _, pending, _, _ = state(folder)
        assert (name, pending) == ("New", False)
        assert list((folder / "site").rglob(".*")) == []
        numbers = [entry.number for entry in editor.history()]
        assert numbers == sorted(numbers, reverse=True)
    return found


def test_a_commit_counts_whole_or_not_at_all(pattern: Path, tmp_path: Path) -> None:
    found = killed_everywhere(pattern, tmp_path, lambda editor: editor.commit("killed"))
    assert set(found) == {("Test site", 2, True, False, OLD), ("New", 3, False, False, NEW)}
    assert [name for name, *_ in found] == sorted((name for name, *_ in found), reverse=True)


def test_what_a_kill_left_pending_can_be_discarded(pattern: Path, tmp_path: Path) -> None:
    count = writes_of(pattern, lambda: Editor(shutil.copytree(pattern, tmp_path / "whole"), "tester").commit())
    for stop in range(count):
        folder = shutil.copytree(pattern, tmp_path / f"stop-{stop}")
        writes_of(folder, lambda folder=folder: Editor(folder, "tester").commit(), stop)  # type: ignore[misc]
        if state(folder)[0] == "New":
            return
        editor = Editor(folder, "after")
        editor.discard()
        assert state(folder) == ("Test site", 2, False, False, OLD)
        editor.set("name", "Else")
        editor.commit()
        assert state(folder)[4] == OLD


def test_an_unconfirmed_commit_is_never_in_force_without_its_deadline(pattern: Path, tmp_path: Path) -> None:
    found = killed_everywhere(pattern, tmp_path, lambda editor: editor.commit("killed", 5))
    assert set(found) == {("Test site", 2, True, False, OLD), ("New", 3, False, True, NEW)}


def test_a_commit_that_confirms_another_one_does_both_or_neither(pattern: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(pattern, tmp_path / "pattern")
    editor = Editor(folder, "tester")
    editor.commit("on condition", 5)
    editor.set("users.user-201.name", "Second")
    found = killed_everywhere(folder, tmp_path, lambda editor: editor.commit("for good"))
    assert set(found) == {("New", 3, True, True, NEW), ("New", 4, False, False, NEW)}


def test_going_back_keeps_what_was_typed_at_every_moment(pattern: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(pattern, tmp_path / "pattern")
    Editor(folder, "tester").commit("on condition", 5)
    found = killed_everywhere(folder, tmp_path, lambda editor: editor.undo())
    # A rollback never changes a password.
    assert set(found) == {("New", 3, False, True, NEW), ("Test site", 4, True, False, NEW)}


def test_a_rollback_discards_with_the_first_write_and_ends_whole(pattern: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(pattern, tmp_path / "pattern")
    Editor(folder, "tester").commit("New")
    Editor(folder, "tester").set("name", "Newer")
    count = writes_of(folder, lambda: Editor(shutil.copytree(folder, tmp_path / "whole"), "t").rollback(2, discard=True))
    found = []
    for stop in range(count + 1):
        copy = shutil.copytree(folder, tmp_path / f"stop-{stop}")
        writes_of(copy, lambda copy=copy: Editor(copy, "t").rollback(2, discard=True), stop)  # type: ignore[misc]
        found.append(state(copy))
    assert set(found) <= {("New", 3, True, False, NEW), ("New", 3, False, False, NEW), ("Test site", 4, False, False, NEW)}
    assert found[-1] == ("Test site", 4, False, False, NEW)


def test_a_disk_that_refuses_leaves_the_old_revision_and_the_candidate(pattern: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every write in turn fails; the tests with real full disks are in tests/integration/site."""
    real = files.write
    for stop in range(20):
        folder = shutil.copytree(pattern, tmp_path / f"stop-{stop}")
        count = 0

        def write(path: Path, data: bytes, stop: int = stop) -> None:
            nonlocal count
            count += 1
            if count == stop + 1:
                raise StateError(f"Cannot write {path}: full", "make room", code="state")
            real(path, data)

        monkeypatch.setattr(files, "write", write)
        try:
            Editor(folder, "tester").commit("on a bad disk", 5)
        except StateError:
            monkeypatch.setattr(files, "write", real)
            assert state(folder) == ("Test site", 2, True, False, OLD)
            continue
        monkeypatch.setattr(files, "write", real)
        assert state(folder) == ("New", 3, False, True, NEW)
        if count <= stop:
            return
    raise AssertionError("it never got through")


# ---- deadlines -------------------------------------------------------------------------------------------------------


@pytest.fixture
def unconfirmed(pattern: Path, tmp_path: Path) -> Path:
    folder = shutil.copytree(pattern, tmp_path / "data")
    Editor(folder, "tester").commit("on condition", 5)
    return folder


def overdue(folder: Path) -> None:
    """As five minutes later."""
    conditions = Place.of(folder).conditions
    held = conditions.read()
    assert held is not None
    conditions.write(replace(held, deadline_s=Moment.now().at_s - 1.0))


def test_what_is_overdue_goes_back_once_with_everybody_looking(unconfirmed: Path) -> None:
    place = Place.of(unconfirmed)
    assert go_back_when_due(place) is None
    overdue(unconfirmed)
    gone = go_back_when_due(place)
    assert gone is not None
    assert (gone[0].number, gone[0].author, gone[0].undoes) == (4, "holdfast", 3)
    assert gone[0].comment == "revision 3 was not confirmed within 5 minutes; this is revision 2 again"
    assert go_back_when_due(place) is None
    assert state(unconfirmed) == ("Test site", 4, True, False, NEW)


@pytest.mark.parametrize("call", ["waiting", "confirm", "set", "commit"])
def test_an_editor_takes_back_what_is_overdue_where_no_engine_runs(unconfirmed: Path, call: str) -> None:
    overdue(unconfirmed)
    editor = Editor(unconfirmed, "late")
    if call == "waiting":
        assert editor.waiting() is None
    elif call == "confirm":
        with pytest.raises(HoldfastError) as caught:
            editor.confirm()
        assert caught.value.code == "nothing-to-confirm"
    elif call == "set":
        editor.set("users.user-202.name", "Typed")
        assert len(editor.pending()) == 5
    else:
        editor.commit()  # of what is pending since it went back
    assert [entry.author for entry in editor.history()][:3] == (["late", "holdfast", "tester"] if call == "commit" else ["holdfast", "tester", "first"])
    assert name_of(unconfirmed) == ("New" if call == "commit" else "Test site")


@pytest.mark.parametrize(
    ("clock_s", "left_s"),
    [
        (100.0, 200.0),  # the clock is right: what is left by it
        (-50 * 365 * 86400.0, 300.0),  # a box without a clock of its own: the whole time once more, never longer
        (400.0, -100.0),  # off for longer than that
    ],
)
def test_after_a_reboot_the_wall_clock_counts_and_never_for_longer(unconfirmed: Path, clock_s: float, left_s: float) -> None:
    held = Place.of(unconfirmed).conditions.read()
    assert held is not None
    began = held.deadline_unix_s - 300.0
    moment = Moment("another boot", 12.0)
    assert held.seconds_left(moment, began + clock_s) == pytest.approx(left_s)
    here = held.in_this_boot(moment, began + clock_s)
    # From now on the deadline comes nearer whatever the wall clock does.
    assert here.seconds_left(Moment("another boot", 22.0), began - 9e9) == pytest.approx(left_s - 10.0)
    assert here.in_this_boot(Moment("another boot", 99.0), 0.0) is here


def test_at_start_a_deadline_of_another_boot_becomes_one_of_this(unconfirmed: Path) -> None:
    place = Place.of(unconfirmed)
    held = place.conditions.read()
    assert held is not None
    place.conditions.write(replace(held, boot_id="another", deadline_s=5.0))
    settle(place)
    again = place.conditions.read()
    assert again is not None
    assert again.boot_id == Moment.now().boot_id
    assert 290 < again.seconds_left(Moment.now(), time.time()) <= 300


def test_a_previous_revision_that_cannot_be_read_is_replaced_by_the_last_that_ran_well(pattern: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(pattern, tmp_path / "data")
    place = Place.of(folder)
    place.store.mark_good(1)
    Editor(folder, "tester").commit("on condition", 5)
    (folder / "site" / "revisions" / "000002.json").write_bytes(b"{")
    overdue(folder)
    assert go_back_when_due(place) is not None
    assert name_of(folder) == place.store.read(1).name


def test_a_damaged_condition_is_none_and_stops_nothing(unconfirmed: Path) -> None:
    for content in (b"", b"{}", b'{"first": "x"}', b"[1]"):
        (unconfirmed / "site" / "confirm.json").write_bytes(content)
        assert Place.of(unconfirmed).waiting() is None
        assert go_back_when_due(Place.of(unconfirmed)) is None
    editor = Editor(unconfirmed, "tester")
    editor.set("name", "On")
    editor.commit()
    assert name_of(unconfirmed) == "On"


def test_what_this_version_does_not_understand_is_passed_over(pattern: Path, tmp_path: Path) -> None:
    """A newer release's revision: the one before runs, and can be edited and committed."""
    folder = shutil.copytree(pattern, tmp_path / "data")
    place = Place.of(folder)
    with place.store.locked():
        number = place.store.add(Site(name="Newer"), author="newer", comment="", now=0.0).number
        place.store.make_current(number)
    file = folder / "site" / "revisions" / f"{number:06}.json"
    file.write_text(file.read_text().replace('"name":"Newer"', '"name":"Newer","teleport":true'))
    assert name_of(folder) == "Test site"
    editor = Editor(folder, "tester")
    editor.commit("on")
    assert name_of(folder) == "New"
