"""How a drill begins: an emergency call is seen at any moment of it, and two that are asked for at once are one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.app import drill as module
from appliance.app.drill import Drills
from appliance.errors import HoldfastError
from appliance.network.netd.protocol import NetdError
from appliance.network.wan_state import State


class Netd:
    """In the place of netd and its sessions. `when`: what happens at one of "about", "open", "cut", before it is answered."""

    def __init__(self) -> None:
        self.when: dict[str, Callable[[], Awaitable[None]]] = {}
        self.cut = False
        self.closed = 0

    async def at(self, moment: str) -> None:
        await asyncio.sleep(0)
        if (happens := self.when.pop(moment, None)) is not None:
            await happens()

    async def about(self, *_: Any) -> dict[str, Any]:
        await self.at("about")
        return {"unable": ""}

    async def open(self, _: Path) -> Netd:
        await self.at("open")
        return self

    async def call(self, verb: str, **_: Any) -> dict[str, Any]:
        if verb == "drill.cut":
            if self.cut:
                raise NetdError("A drill is under way", code="drill-runs")
            self.cut = True
            await self.at("cut")
            return {"interfaces": ["wan"]}
        return {"cut": self.cut}

    def close(self) -> None:
        self.closed += 1
        self.cut = False


def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, story: Callable[[Drills, Netd], Awaitable[None]]) -> None:
    (tmp_path / "state").mkdir()
    netd = Netd()
    monkeypatch.setattr(module, "call", netd.about)
    monkeypatch.setattr(module, "Session", netd)
    box: Any = SimpleNamespace(
        settings=SimpleNamespace(data=tmp_path, netd_socket=tmp_path / "netd.sock"), registrations=SimpleNamespace(all=list),
        notices=SimpleNamespace(live=list), context=SimpleNamespace(live=SimpleNamespace(rows=list)),
        callbacks=SimpleNamespace(map=SimpleNamespace(records=lambda _: [])), bus=SimpleNamespace(publish=lambda _: None), new_session=lambda: "d-1",
        wan=SimpleNamespace(wan=SimpleNamespace(state=State.UNKNOWN, times=SimpleNamespace(silence_s=2.0, trust_s=1.0), why="")),
        snapshot=SimpleNamespace(trunks={}, site=SimpleNamespace(wan=SimpleNamespace(probes=()))),
    )  # fmt: skip

    async def whole() -> None:
        drills = Drills(box)
        try:
            await story(drills, netd)
        finally:
            await drills.stop()

    asyncio.run(whole())


@pytest.mark.parametrize("moment", ["about", "open", "cut"])
def test_an_emergency_call_that_begins_while_it_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """The call may be over again by then: the drill is not begun all the same."""

    async def story(drills: Drills, netd: Netd) -> None:
        async def emergency() -> None:
            drills.emergency_began()

        netd.when[moment] = emergency
        with pytest.raises(HoldfastError) as refused:
            await drills.start(60, "test")
        assert refused.value.code == "emergency-in-progress"
        assert not netd.cut and netd.closed and drills.last is None
        await drills.start(60, "test")  # later there may be another one, which ends in the same way
        assert netd.cut
        drills.emergency_began()
        assert not netd.cut

    run(tmp_path, monkeypatch, story)


@pytest.mark.parametrize("moment", ["about", "open", "cut"])
def test_two_at_once_are_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    async def story(drills: Drills, netd: Netd) -> None:
        codes: list[str] = []

        async def second() -> None:
            with pytest.raises(HoldfastError) as refused:
                await drills.start(60, "second")
            codes.append(refused.value.code)

        netd.when[moment] = second
        begun = await drills.start(60, "first")
        assert codes == ["busy"] and begun["by"] == "first" and netd.cut
        drills.end("Dana")
        assert not netd.cut

    run(tmp_path, monkeypatch, story)


def test_one_that_could_not_begin_is_in_nobodys_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(drills: Drills, netd: Netd) -> None:
        async def away() -> None:
            raise NetdError("gone", code="netd-away")

        for moment in ("open", "cut"):
            netd.when[moment] = away
            with pytest.raises(NetdError):
                await drills.start(60, "test")
        with pytest.raises(HoldfastError) as idle:
            drills.end("Dana")
        assert idle.value.code == "idle"
        await drills.start(60, "test")
        assert netd.cut

    run(tmp_path, monkeypatch, story)
