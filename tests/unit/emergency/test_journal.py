"""The emergency journal on real disks: sound, torn, full, read-only and stalled. No call ever waits for it."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path

import pytest

from appliance.emergency import journal as journal_file
from appliance.emergency.journal import Journal, Written, read
from tests.support.disks import ext4, fill, tmpfs
from tests.support.proc import wait_until

SIZE = 64 << 10
PATIENCE_S = 20.0


class Faults(list[str]):
    """Takes alarms; `seen` waits for one."""

    def seen(self, wanted: str, after: int = 0) -> None:
        wait_until(lambda: any(wanted in fault if wanted else not fault for fault in self[after:]), PATIENCE_S, f"the alarm {wanted!r}")


def opened(path: Path, size: int = SIZE) -> tuple[Journal, Faults]:
    faults = Faults()
    journal = Journal(path, size, on_fault=faults.append)
    journal.start()
    return journal, faults


def kept(future: Future[Written]) -> Written:
    return future.result(PATIENCE_S)


def numbers(path: Path) -> list[int]:
    return [entry["n"] for entry in read(path)]


@pytest.mark.row("Z4")
def test_entries_come_back_in_order_after_a_restart(tmp_path):
    path = tmp_path / "journal"
    journal, faults = opened(path)
    assert [kept(journal.append({"n": n, "name": "Zoë"})) for n in range(3)] == [Written(True)] * 3
    assert journal.close()
    journal, _ = opened(path)
    assert kept(journal.append({"n": 3})).durable
    assert journal.close()
    assert numbers(path) == [0, 1, 2, 3]
    assert read(path)[0]["name"] == "Zoë"
    assert faults == []


def test_the_file_is_made_in_advance_and_does_not_grow(tmp_path):
    path = tmp_path / "journal"
    journal, _ = opened(path)
    kept(journal.append({"n": 0}))
    wait_until((tmp_path / "journal.spare").exists, PATIENCE_S, "the spare file")
    for n in range(1, 100):
        kept(journal.append({"n": n}))
    journal.close()
    assert path.stat().st_size == (tmp_path / "journal.spare").stat().st_size == SIZE
    assert path.stat().st_blocks * 512 >= SIZE, "its blocks are really there"
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_entry_is_whole_on_disk_when_it_is_called_durable(tmp_path):
    path = tmp_path / "journal"
    journal, _ = opened(path)
    for n in range(20):
        assert kept(journal.append({"n": n})).durable
        assert numbers(path)[-1] == n
    journal.close()


def test_a_full_journal_makes_room_and_loses_nothing(tmp_path):
    path = tmp_path / "journal"
    journal, faults = opened(path)
    for n in range(1000):
        journal.append({"n": n, "fill": "x" * 500})
    assert kept(journal.append({"n": 1000})).durable
    assert journal.close()
    assert numbers(path) == list(range(1001))
    assert len(list(tmp_path.glob("journal.0*"))) >= 8
    assert faults == []
    journal, _ = opened(path)
    assert kept(journal.append({"n": 1001})).durable
    journal.close()
    assert numbers(path) == list(range(1002))


def test_an_entry_larger_than_the_file_is_kept_too(tmp_path):
    path = tmp_path / "journal"
    journal, _ = opened(path)
    for n, length in enumerate((10, 2 * SIZE, 10)):
        assert kept(journal.append({"n": n, "fill": "x" * length})).durable
    journal.close()
    assert numbers(path) == [0, 1, 2]


def test_what_json_does_not_know_is_written_all_the_same(tmp_path):
    path = tmp_path / "journal"
    journal, _ = opened(path)
    loop: dict[str, object] = {}
    loop["self"] = loop
    for entry in ({"n": b"\x00"}, {("a", "b"): 1}, loop, {"n": float("nan")}, {"n": "\ud800"}):
        assert kept(journal.append(entry)).durable
    journal.close()
    assert len(read(path)) == 5


# ---- torn and damaged files --------------------------------------------------------------------------------------


@pytest.fixture
def three(tmp_path) -> Path:
    path = tmp_path / "journal"
    journal, _ = opened(path)
    for n in range(3):
        kept(journal.append({"n": n}))
    journal.close()
    return path


def test_a_tail_torn_at_any_byte_is_left_out_and_written_over(three):
    whole = three.read_bytes()
    ends = [frame.end for frame in journal_file._frames(whole)]
    for cut in range(ends[1], ends[2]):
        three.write_bytes(whole[:cut] + bytes(SIZE - cut))
        assert numbers(three) == [0, 1]
    journal, _ = opened(three)
    kept(journal.append({"n": 9}))
    journal.close()
    assert numbers(three) == [0, 1, 9]


def test_a_file_cut_short_or_empty_or_missing_is_read_and_used(three):
    whole = three.read_bytes()
    end = journal_file._frames(whole)[-1].end
    three.write_bytes(whole[: end - 1])
    assert numbers(three) == [0, 1]
    three.write_bytes(b"")
    assert numbers(three) == []
    journal, _ = opened(three)
    assert kept(journal.append({"n": 5})).durable
    journal.close()
    assert numbers(three) == [5]
    three.unlink()
    assert read(three) == []


def test_a_damaged_entry_costs_only_itself(three):
    whole = bytearray(three.read_bytes())
    first = journal_file._frames(bytes(whole))[0].end
    whole[first + journal_file._HEAD.size + 2] ^= 0xFF
    three.write_bytes(whole)
    assert numbers(three) == [0, 2]
    journal, _ = opened(three)
    kept(journal.append({"n": 3}))
    journal.close()
    assert numbers(three) == [0, 2, 3]


def test_remains_of_earlier_writing_are_no_entries(three):
    frames = journal_file._frames(three.read_bytes())
    old = journal_file._frame(2, b'{"n": "old"}')
    data = bytearray(three.read_bytes())
    data[frames[-1].end + 7 : frames[-1].end + 7 + len(old)] = old
    three.write_bytes(data)
    assert numbers(three) == [0, 1, 2]


@pytest.mark.row("Z4")
def test_kill_9_while_writing_loses_nothing_that_was_called_durable(tmp_path):
    path = tmp_path / "journal"
    program = (
        "import sys\nfrom pathlib import Path\nfrom appliance.emergency.journal import Journal\n"
        f"j = Journal(Path(sys.argv[1]), {SIZE})\nj.start()\nn = 0\n"
        "while True:\n    assert j.append({'n': n, 'fill': 'x' * 300}).result(20).durable\n    print(n, flush=True)\n    n += 1\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        last = -1
        for line in child.stdout:
            last = int(line)
            if last >= 400:
                break
        child.send_signal(signal.SIGKILL)
        last = max([last, *map(int, child.stdout.read().split())])
    found = numbers(path)
    assert found[: last + 1] == list(range(last + 1))
    assert len(found) <= last + 2


def test_a_kill_between_the_two_renames_is_repaired(three):
    three.rename(three.with_name("journal.000000000001"))
    journal, _ = opened(three)
    kept(journal.append({"n": 3}))
    journal.close()
    assert numbers(three) == [0, 1, 2, 3]


# ---- disks that do not work --------------------------------------------------------------------------------------


def test_a_disk_that_is_full_is_no_matter_as_long_as_the_files_made_in_advance_last(tmp_path):
    with tmpfs(tmp_path / "disk", 4 * SIZE) as disk:
        path = disk / "journal"
        journal, faults = opened(path)
        kept(journal.append({"n": 0}))
        wait_until((disk / "journal.spare").exists, PATIENCE_S, "the spare file")
        fill(disk)
        for n in range(1, 200):
            assert kept(journal.append({"n": n, "fill": "x" * 400})).durable
        faults.seen("no room for the next emergency journal file: No space left on device")
        journal.close()
        assert numbers(path) == list(range(200))


def test_a_full_disk_holds_up_no_call_and_is_caught_up_with(tmp_path):
    with tmpfs(tmp_path / "disk", 4 * SIZE) as disk:
        path = disk / "journal"
        journal, faults = opened(path)
        kept(journal.append({"n": 0}))
        wait_until((disk / "journal.spare").exists, PATIENCE_S, "the spare file")
        filler = fill(disk)
        n, written = 0, Written(True)
        while written.durable:
            n += 1
            written = kept(journal.append({"n": n, "fill": "x" * 4000}))
        assert written == Written(False, "the emergency journal cannot be written: No space left on device")
        for n in range(n + 1, n + 4):  # noqa: B020 - goes on counting
            assert not kept(journal.append({"n": n})).durable
        assert journal.pending == 4
        before = len(faults)
        filler.unlink()
        faults.seen("", before)
        wait_until(lambda: journal.pending == 0, PATIENCE_S, "all entries on the disk")
        assert journal.close()
        assert numbers(path) == list(range(n + 1))


def test_a_read_only_disk_holds_up_no_call_and_is_caught_up_with(tmp_path):
    with ext4(tmp_path / "disk") as disk:
        (disk.folder / "data").mkdir()
        path = disk.folder / "data" / "journal"
        journal, faults = opened(path)
        assert kept(journal.append({"n": 0})).durable
        wait_until(path.with_name("journal.spare").exists, PATIENCE_S, "the spare file")
        disk.abort()
        for n in (1, 2):
            written = kept(journal.append({"n": n}))
            assert not written.durable
            assert written.fault.startswith("the emergency journal cannot be written: ")
        faults.seen("cannot be written")
        wait_until(lambda: _repaired(disk), PATIENCE_S, "the disk to be repaired")
        wait_until(lambda: journal.pending == 0, PATIENCE_S, "all entries on the disk")
        assert kept(journal.append({"n": 3})).durable
        assert faults[-1] == ""
        assert journal.close()
        assert numbers(path) == [0, 1, 2, 3]


def _repaired(disk) -> bool:
    """Between two attempts the journal has no file open, so the disk can be unmounted."""
    try:
        disk.repair()
    except subprocess.CalledProcessError:
        return False
    return True


def test_a_box_that_starts_on_a_read_only_disk(tmp_path):
    with ext4(tmp_path / "disk") as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk.folder)], check=True)
        path = disk.folder / "journal"
        journal, faults = opened(path)
        written = kept(journal.append({"n": 0}))
        assert written == Written(False, "the emergency journal cannot be written: Read-only file system")
        subprocess.run(["mount", "-o", "remount,rw", str(disk.folder)], check=True)
        wait_until(lambda: journal.pending == 0, PATIENCE_S, "the entry on the disk")
        faults.seen("", 1)
        assert journal.close()
        assert numbers(path) == [0]


def test_a_stalled_disk_costs_a_call_thirty_milliseconds(tmp_path):
    with ext4(tmp_path / "disk") as disk:
        path = disk.folder / "journal"
        journal, faults = opened(path)
        assert kept(journal.append({"n": 0})).durable
        wait_until(path.with_name("journal.spare").exists, PATIENCE_S, "the spare file")

        async def calls() -> None:
            for n in (1, 2, 3):
                started = time.monotonic()
                written = await journal.write({"n": n})
                took_s = time.monotonic() - started
                assert written == Written(False, "the disk has not taken the journal entry within 30 ms")
                assert 0.025 <= took_s < 1.0, "bounded by the budget, not by the disk"

        disk.freeze()
        asyncio.run(calls())
        assert faults == ["the disk has not taken the journal entry within 30 ms"]
        assert journal.pending == 3
        disk.thaw()
        faults.seen("", 1)
        assert kept(journal.append({"n": 4})).durable
        assert journal.close()
        assert numbers(path) == [0, 1, 2, 3, 4]


def test_a_box_that_starts_on_a_stalled_disk(tmp_path):
    with ext4(tmp_path / "disk") as disk:
        disk.freeze()
        path = disk.folder / "journal"
        started = time.monotonic()
        journal, _ = opened(path)
        assert not asyncio.run(journal.write({"n": 0})).durable
        assert not journal.close(0.05)
        assert time.monotonic() - started < 2.0
        disk.thaw()
        wait_until(lambda: journal.pending == 0, PATIENCE_S, "the entry on the disk")
        assert journal.close(PATIENCE_S)
        assert numbers(path) == [0]


def test_a_disk_that_is_not_mounted_yet_gets_no_journal_in_its_place(tmp_path):
    path = tmp_path / "missing" / "journal"
    journal, faults = opened(path)
    assert not kept(journal.append({"n": 0})).durable
    faults.seen("No such file or directory")
    assert not path.parent.exists()
    path.parent.mkdir()
    wait_until(lambda: journal.pending == 0, PATIENCE_S, "the entry on the disk")
    assert journal.close()
    assert numbers(path) == [0]


def test_a_sound_disk_is_waited_for(tmp_path):
    journal, faults = opened(tmp_path / "journal")
    kept(journal.append({"n": 0}))

    async def call() -> Written:
        return await journal.write({"n": 1}, budget_s=PATIENCE_S)

    assert asyncio.run(call()) == Written(True)
    journal.close()
    assert faults == []


def test_a_caller_that_goes_away_harms_nobody(tmp_path):
    with ext4(tmp_path / "disk") as disk:
        path = disk.folder / "journal"
        journal, _ = opened(path)
        kept(journal.append({"n": 0}))
        disk.freeze()

        async def cancelled() -> None:
            task = asyncio.create_task(journal.write({"n": 1}, budget_s=PATIENCE_S))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(cancelled())
        assert not journal.append({"n": 2}).cancel()
        disk.thaw()
        wait_until(lambda: journal.pending == 0, PATIENCE_S, "all entries on the disk")
        assert journal.close()
        assert numbers(path) == [0, 1, 2]


def test_an_alarm_nobody_takes_stops_neither_the_journal_nor_the_call(tmp_path):
    def closed(fault: str) -> None:
        raise RuntimeError("Event loop is closed")

    path = tmp_path / "missing" / "journal"
    journal = Journal(path, SIZE, on_fault=closed)
    journal.start()
    assert not asyncio.run(journal.write({"n": 0}, budget_s=PATIENCE_S)).durable
    path.parent.mkdir()
    wait_until(lambda: journal.pending == 0, PATIENCE_S, "the entry on the disk")
    assert journal.close()
    assert numbers(path) == [0]


def test_the_queue_is_bounded_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(journal_file, "MAX_PENDING", 3)
    journal, faults = opened(tmp_path / "missing" / "journal")
    results = [kept(journal.append({"n": n})) for n in range(5)]
    assert not any(result.durable for result in results)
    assert "is lost" in results[-1].fault
    faults.seen("is lost")
    journal.close()


def test_the_text_format_is_the_documented_one(three):
    """Written down here so that a change of it is noticed: journals of older versions must stay readable."""
    data = three.read_bytes()
    text = b'{"n":0}'
    assert data[:4] == b"\xe9HFJ"
    assert int.from_bytes(data[4:8]) == len(text)
    assert int.from_bytes(data[8:16]) == 1
    assert data[20 : 20 + len(text)] == text
    assert json.loads(text) == {"n": 0}
    assert three.stat().st_size == SIZE
