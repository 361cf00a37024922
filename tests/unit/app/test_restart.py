"""A restart that was asked for: at once, refused, or put off, for an emergency call's sake."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.app import restart
from appliance.calls.live import LiveCalls
from appliance.control.server import Peer
from appliance.errors import HoldfastError


def call(id: str, emergency: bool) -> Any:
    return SimpleNamespace(id=id, row=lambda: SimpleNamespace(emergency=emergency))


class Box:
    """What a restart sees of the box."""

    def __init__(self, *calls: Any) -> None:
        self.loop = asyncio.get_running_loop()
        self.live = LiveCalls()
        self.context = SimpleNamespace(live=self.live)
        self.again = asyncio.Event()
        self.whole = False
        for each in calls:
            self.live.add(each)

    async def asked(self, force: bool = False, whole: bool = False) -> Any:
        return await restart.restart(self, {"reason": "a test", "force": force, "whole": whole}, Peer(1, 0, 0, "admin"))  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restart, "ANSWER_S", 0.01)
    monkeypatch.setattr(restart, "LOOK_S", 0.01)


async def restarts(box: Box, within_s: float = 5.0) -> bool:
    try:
        await asyncio.wait_for(box.again.wait(), within_s)
    except TimeoutError:
        return False
    return True


def test_ordinary_calls_are_counted_and_end() -> None:
    async def run() -> None:
        box = Box(call("a", False), call("b", False))
        assert await box.asked() == {"calls": 2}
        assert not box.again.is_set()  # the answer leaves first
        assert await restarts(box)
        assert not box.whole
        await box.asked(whole=True)
        box.again.clear()
        assert await restarts(box)
        assert box.whole

    asyncio.run(run())


def test_an_emergency_call_refuses_it() -> None:
    async def run() -> None:
        box = Box(call("a", False), call("b", True))
        with pytest.raises(HoldfastError) as caught:
            await box.asked()
        assert caught.value.code == "emergency-in-progress"
        assert not await restarts(box, 0.1)
        assert await box.asked(force=True) == {"calls": 2}
        assert await restarts(box)

    asyncio.run(run())


def test_one_that_begins_just_then_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        box = Box()
        await box.asked()
        late = call("late", True)
        box.live.add(late)
        assert not await restarts(box, 0.2)
        assert caplog.text.count("the restart waits") == 1
        box.live.remove(late)
        assert await restarts(box)

    asyncio.run(run())
