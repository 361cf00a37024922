"""What the engine said last: one background connection and one subscription per web process, however many pages are open.

Pages read `Engine.state`, which never waits; what it holds says how old it is. A lost engine is asked again and again, and its last words stay.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from flask import current_app

from appliance.control.client import AsyncClient, Client, RemoteError
from appliance.errors import ControlError

log = logging.getLogger(__name__)

STALE_S = 10.0
"""Asked again after so long although nothing happened: what is counted in seconds moves by itself."""
WATCHED_S = 60.0
"""So long after somebody last looked the engine is asked; then it is left in peace."""
GAP_S = {"status": 0.3, "registrations": 2.0, "calls": 1.0, "notices": 0.3, "health": 4.0, "messages": 1.0, "phones": 1.0, "wan": 0.5, "drill": 0.5,
         "modem": 0.5}  # fmt: skip
"""Each is fetched at most so often: 500 phones that come back at once are a hundred changes a second."""
_NEEDS = {"Registered": ("registrations", "status"), "Unregistered": ("registrations", "status"), "RegistrationRefused": (), "CallStarted": ("calls", "status"),
          "CallAnswered": ("calls", "status"), "CallEnded": ("calls", "status"), "EmergencyNotice": ("status", "notices"),
          "ModemStateChanged": ("status", "modem"), "ModemUsed": ("modem",), "LineTested": ("status",), "HealthChanged": ("health", "status"),
          "WanChanged": ("status", "wan"), "DrillChanged": ("drill",), "VoicemailChanged": ("messages",),
          "PhoneAsked": ("phones",), "SiteActivated": ("phones", "status")}  # fmt: skip
_ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "notices": ("emergency.notices", {"limit": 50}),
    "messages": ("voicemail.counts", {}),
    "phones": ("phones.list", {}),
}
"""What is asked by another name, or with parameters."""
_ANSWER_S = 8.0
"""An engine that is silent for longer hangs, or the machine has no time for it."""


@dataclass(frozen=True, slots=True)
class State:
    """`status`, `registrations`, `calls`, `notices` (emergency calls), `health`, `messages` (voicemail),
    `phones` (desk phones that asked for settings), `wan`, `drill`, `modem`: the results of these methods
    (control.shapes), {} before the first answer.

    `at`: when each came (monotonic).
    `up`: the engine answers; `down_since`: since when not (Unix seconds). `serial` rises with every change.
    """

    status: Mapping[str, Any] = field(default_factory=dict)
    registrations: Mapping[str, Any] = field(default_factory=dict)
    calls: Mapping[str, Any] = field(default_factory=dict)
    notices: Mapping[str, Any] = field(default_factory=dict)
    health: Mapping[str, Any] = field(default_factory=dict)
    messages: Mapping[str, Any] = field(default_factory=dict)
    phones: Mapping[str, Any] = field(default_factory=dict)
    wan: Mapping[str, Any] = field(default_factory=dict)
    drill: Mapping[str, Any] = field(default_factory=dict)
    modem: Mapping[str, Any] = field(default_factory=dict)
    at: Mapping[str, float] = field(default_factory=dict)
    up: bool = False
    down_since: float = field(default_factory=time.time)
    serial: int = 0

    def age_s(self, what: str = "status") -> float | None:
        """How old the answer is; None: there never was one."""
        came = self.at.get(what)
        return None if came is None else time.monotonic() - came


class Engine:
    """Started by the first look. For all threads of the process."""

    def __init__(self, control: Path) -> None:
        self._control = control
        self._state = State()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watched: asyncio.Event | None = None
        self._looked = 0.0
        self._first = threading.Event()

    @property
    def state(self) -> State:
        """What is known now. Only the very first look waits, for 0.2 s at most, so that the first page after a start is not empty."""
        self._look()
        if not self._first.is_set():
            self._first.wait(0.2)
        return self._state

    def wait(self, serial: int, timeout_s: float) -> State:
        """The state as soon as it is newer than `serial`, at the latest after `timeout_s`."""
        self._look()
        with self._changed:
            self._changed.wait_for(lambda: self._state.serial > serial, timeout_s)
            return self._state

    def call(self, method: str, timeout_s: float = _ANSWER_S, **params: Any) -> Any:
        """Have the engine do something, over a connection of its own; waits for the answer. Never while a page is rendered. Raises ControlError."""
        with Client(self._control, timeout_s=timeout_s) as client:
            return client.call(method, **params)

    def ask(self, method: str, timeout_s: float = 3.0, **params: Any) -> Any:
        """As `call`, for a part of a page that comes after it: never longer than `timeout_s`, for an engine that hangs must not hold the pages' threads."""
        with Client(self._control, timeout_s=timeout_s, patient=False) as client:
            return client.call(method, **params)

    def _look(self) -> None:
        asleep = time.monotonic() - self._looked > WATCHED_S
        self._looked = time.monotonic()
        if self._thread is None:
            with self._changed:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
                    self._thread.start()
        elif asleep and self._loop is not None and self._watched is not None:
            self._loop.call_soon_threadsafe(self._watched.set)

    # ---- the background thread -----------------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.run(self._follow())

    async def _follow(self) -> None:
        self._loop, self._watched = asyncio.get_running_loop(), asyncio.Event()
        failures = 0
        while True:
            try:
                async with AsyncClient(self._control, timeout_s=_ANSWER_S, patient=False) as client, asyncio.TaskGroup() as all_of_them:
                    news = {what: asyncio.Event() for what in GAP_S}
                    all_of_them.create_task(self._listen(client, news))
                    for what in GAP_S:
                        all_of_them.create_task(self._keep(client, what, news[what]))
            except* ControlError as group:
                failures = 0 if self._state.up else failures + 1
                if self._state.up:
                    log.warning("the engine does not answer: %s", group.exceptions[0])
                self._lost()
            await asyncio.sleep(back_off_s(failures))

    async def _listen(self, client: AsyncClient, news: Mapping[str, asyncio.Event]) -> None:
        def anything() -> None:
            for each in news.values():
                each.set()

        # What was asked before the subscription stood may be old already, and nobody would tell.
        async for event in client.subscribe("events", begun=anything):
            if event.lost:
                anything()
            for what in _NEEDS.get(str(event.data.get("type")), ("status",)):
                news[what].set()

    async def _keep(self, client: AsyncClient, what: str, news: asyncio.Event) -> None:
        """Keep one answer fresh; each for itself, so that a slow one does not hold back the others."""
        assert self._watched is not None
        method, params = _ASKED.get(what, (what, {}))
        while True:
            news.clear()
            try:
                answer = await client.call(method, **params)
            except RemoteError as error:
                log.warning("the engine does not say %s: %s", what, error)
                answer = getattr(self._state, what)
            self._take(what, answer)
            await asyncio.sleep(GAP_S[what])
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STALE_S - GAP_S[what]):
                    await news.wait()
            while time.monotonic() - self._looked > WATCHED_S:
                self._watched.clear()
                await self._watched.wait()

    def _take(self, what: str, answer: Any) -> None:
        given: dict[str, Any] = {what: answer}
        news = not self._state.up or getattr(self._state, what) != answer
        self._put(replace(self._state, **given, at={**self._state.at, what: time.monotonic()}, up=True), news)

    def _lost(self) -> None:
        if self._state.up or not self._first.is_set():
            self._put(replace(self._state, up=False, down_since=time.time()))

    def _put(self, state: State, news: bool = True) -> None:
        """Without `news` no page need be looked at again."""
        with self._changed:
            self._state = replace(state, serial=self._state.serial + news)
            if news:
                self._changed.notify_all()
        if not state.up or state.at.keys() >= GAP_S.keys():
            self._first.set()


def back_off_s(failures: int) -> float:
    """Between two tries to reach the engine: 0.1 s doubling to 2 s, less up to half."""
    return min(2.0, 0.1 * 2.0 ** min(failures, 6)) * (1.0 - 0.5 * random.random())  # noqa: S311  (jitter)


def engine() -> Engine:
    """That of the application."""
    found: Engine = current_app.extensions["engine"]
    return found
