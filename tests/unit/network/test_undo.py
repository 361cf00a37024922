"""netd's undo files: what a new netd finds, what is taken back and when, and that neither a refusing nor a hanging disk takes a working way out away."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.network.netd import undo as module
from appliance.network.netd.undo import UndoFiles

WAN2 = {"interface": "wan2"}
LONG_S = 3600.0


class Case:
    """Undo files of one part, `routes`, and what was taken back."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.files, self.back = folder, UndoFiles(folder), list[dict[str, Any]]()
        self.files.register("routes", self._undo)

    async def _undo(self, what: dict[str, Any]) -> None:
        self.back.append(what)

    async def keep(self, for_s: float = LONG_S, **what: Any) -> None:
        await self.files.keep("routes", "preferred", what or WAN2, for_s)

    @property
    def kept(self) -> dict[str, Any] | None:
        return self.files.kept("routes").get("preferred")

    @property
    def on_disk(self) -> bool:
        return (self.folder / "routes-preferred.json").is_file()

    async def again(self) -> Case:
        """netd was killed: another one over the same folder."""
        found = Case(self.folder)
        await found.files.load()
        return found


def run(folder: Path, story: Callable[[Case], Awaitable[None]]) -> None:
    async def whole() -> None:
        case = Case(folder)
        await case.files.load()
        await story(case)

    asyncio.run(whole())


def test_a_new_netd_goes_on_with_it_and_takes_it_back_when_nobody_keeps_it(tmp_path: Path) -> None:
    async def story(case: Case) -> None:
        await case.keep(0.05)
        await asyncio.sleep(0.1)  # its time is over before the new one is there, who may have been asked again meanwhile
        later = await case.again()
        assert later.kept == WAN2 and later.back == []
        running = asyncio.create_task(later.files.run())
        async with asyncio.timeout(20.0):
            while later.on_disk:
                await asyncio.sleep(0.01)
        assert later.back == [WAN2] and later.kept is None
        running.cancel()
        assert (await later.again()).kept is None

    run(tmp_path / "netd", story)


def test_what_is_no_undo_file_of_this_boot_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(case: Case) -> None:
        await case.keep()
        (case.folder / "routes-x.json").write_text("{")
        (case.folder / "other-preferred.json").write_text((case.folder / "routes-preferred.json").read_text())
        assert (await case.again()).kept == WAN2
        assert [path.name for path in case.folder.iterdir()] == ["routes-preferred.json"]
        monkeypatch.setattr(module, "boot_id", lambda: "another")
        assert (await case.again()).kept is None and not case.on_disk

    run(tmp_path / "netd", story)


def test_to_keep_the_same_again_writes_nothing(tmp_path: Path) -> None:
    async def story(case: Case) -> None:
        await case.keep()
        (case.folder / "routes-preferred.json").unlink()
        await case.keep()
        assert not case.on_disk
        await case.keep(interface="wan3")
        assert case.on_disk and case.kept == {"interface": "wan3"}

    run(tmp_path / "netd", story)


def test_renewed_it_holds_longer(tmp_path: Path) -> None:
    async def story(case: Case) -> None:
        running = asyncio.create_task(case.files.run())
        await case.keep(0.2)
        await case.keep()
        await asyncio.sleep(0.4)
        assert case.back == [] and case.kept == WAN2
        running.cancel()

    run(tmp_path / "netd", story)


def test_a_disk_that_refuses_stops_no_change(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file where the folder should be: nothing can be read, written or removed there, whoever tries."""
    (tmp_path / "netd").write_text("")

    async def story(case: Case) -> None:
        await case.keep()
        assert case.kept == WAN2 and "held in memory alone: Cannot write" in caplog.text
        caplog.clear()
        await case.keep()
        assert caplog.text == "", "said once"
        await case.files.undo("routes", "preferred")
        assert case.back == [WAN2] and case.kept is None

    run(tmp_path / "netd", story)


def test_a_disk_that_hangs_holds_nobody_up_and_what_it_does_later_is_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moves, write = threading.Event(), module.write

    def late(path: Path, data: bytes) -> None:
        moves.wait(20.0)
        write(path, data)

    monkeypatch.setattr(module, "write", late)
    monkeypatch.setattr(module, "DISK_S", 0.05)

    async def story(case: Case) -> None:
        await case.keep()
        await case.keep()
        assert case.kept == WAN2
        moves.set()
        monkeypatch.setattr(module, "DISK_S", 20.0)
        await case.files.undo("routes", "preferred")
        assert case.back == [WAN2] and not case.on_disk

    try:
        run(tmp_path / "netd", story)
    finally:
        moves.set()


@pytest.mark.parametrize("what", [WAN2, {"interface": "wan3"}])
def test_what_is_kept_again_while_it_is_taken_back_stays(tmp_path: Path, what: dict[str, Any]) -> None:
    async def story(case: Case) -> None:
        begun, go = asyncio.Event(), asyncio.Event()

        async def slowly(_: dict[str, Any]) -> None:
            begun.set()
            await go.wait()

        case.files.register("routes", slowly)
        await case.keep()
        undoing = asyncio.create_task(case.files.undo("routes", "preferred"))
        await begun.wait()
        await case.keep(**what)
        go.set()
        await undoing
        assert case.kept == what and (await case.again()).kept == what

    run(tmp_path / "netd", story)
