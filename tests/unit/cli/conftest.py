"""A real control server in a thread, answering from a dictionary, for the commands under test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from appliance.cli.main import main
from appliance.control.protocol import METHODS
from appliance.control.server import Server
from appliance.errors import HoldfastError


class FakeBox:
    """`answers[method]` is what the method gives: a shape, or an error to raise. `asked`: what was called, with its parameters."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "control.sock"
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._ready = threading.Event()
        self._stop: asyncio.Event
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()
        assert self._ready.wait(10)

    async def _run(self) -> None:
        self.loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self.server = Server(self.path, release="9.9")
        for name in METHODS:
            self.server.register(METHODS[name], self._handler(name))
        await self.server.start()
        self._ready.set()
        await self._stop.wait()
        await self.server.close()

    def _handler(self, name: str):
        async def handler(params, peer):
            self.asked.append((name, params))
            answer = self.answers[name]
            if isinstance(answer, HoldfastError):
                raise answer
            return answer

        return handler

    def stop(self) -> None:
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(10)

    def run(self, *words: str) -> Result:
        environment = {"HOLDFAST_CONTROL": str(self.path), "HOLDFAST_DATA": "", "COLUMNS": "120", "TZ": "UTC"}
        return CliRunner(env=environment).invoke(main, list(words))


@pytest.fixture
def box(tmp_path: Path) -> Iterator[FakeBox]:
    found = FakeBox(tmp_path)
    yield found
    found.stop()
