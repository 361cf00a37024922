"""Looks at the machine every few seconds, away from the loop, and keeps what is thought of it, with the last hour in memory."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from appliance.app import licences
from appliance.app.child import READY_FD
from appliance.clock import boottime_s
from appliance.control import machine_shapes as shapes
from appliance.errors import SettingsError
from appliance.events.system import HealthChanged
from appliance.health.judge import Check, judge, worst
from appliance.health.limits import DISK_SILENT_S
from appliance.health.machine import machine
from appliance.health.reading import Reading
from appliance.health.sampler import Sampler
from appliance.site import boards

if TYPE_CHECKING:
    from appliance.app.wiring import Box

log = logging.getLogger(__name__)

EVERY_S = 5.0
POINT_S = 30.0
HOUR_S = 3600.0


class Health:
    """Belongs to the loop."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._sampler = Sampler(box.settings.data, box.settings.sysfs)
        self._reading: Reading | None = None
        self._checks: tuple[Check, ...] = ()
        self._points: deque[shapes.HealthPoint] = deque(maxlen=int(HOUR_S / POINT_S))
        self._point_at = float("-inf")

    async def run(self) -> None:
        """As long as the box."""
        _, problem = await self._box.loop.run_in_executor(None, _board)
        if problem:
            log.warning("no board file: %s", problem)
        while True:
            asked = time.monotonic()
            look = self._box.loop.run_in_executor(None, self._sampler.sample)
            try:
                # A disk that hangs holds that thread; what was known before stays, and is told.
                while not (await asyncio.wait({look}, timeout=DISK_SILENT_S))[0]:
                    if self._reading is not None:
                        self._take(replace(self._reading, silent_s=time.monotonic() - asked))
                self._take(look.result())
            except Exception:
                log.exception("the machine's health could not be looked at")
            await asyncio.sleep(EVERY_S)

    def _take(self, reading: Reading) -> None:
        before = {check.name: check.level for check in self._checks}
        self._reading, self._checks = reading, (*judge(reading, before), self._box.firewall.check())
        for check in self._checks:
            was = before.get(check.name, "ok")
            if check.level != was:
                log.log(logging.INFO if check.level == "ok" else logging.WARNING, "health: %s", check.sentence)
                self._box.bus.publish(HealthChanged(reading.at_unix_s, check.name, check.level, was, check.sentence, check.cure))
        if time.monotonic() - self._point_at >= POINT_S:
            self._point_at = time.monotonic()
            self._points.append(
                {
                    "at_unix_s": reading.at_unix_s, "processor": reading.busy, "memory": 1 - reading.memory_available / max(1, reading.memory_total),
                    "temperature_c": reading.temperature_c, "calls": len(self._box.context.live),
                }
            )  # fmt: skip

    def summary(self) -> shapes.HealthSummary:
        problems = [_shape(check) for check in self._checks if check.level != "ok"]
        return {"level": worst(self._checks), "problems": problems, "at_unix_s": self._reading.at_unix_s if self._reading else 0.0}

    def whole(self) -> shapes.HealthResult:
        r = self._reading
        processes: list[shapes.ProcessShape] = [
            {
                "name": each.name, "pid": each.pid, "memory_bytes": each.memory_bytes, "busy": each.busy, "handles": each.handles,
                "most_handles": each.most_handles, "threads": each.threads,
            }
            for each in (r.processes if r else ())
        ]  # fmt: skip
        return {
            "level": worst(self._checks), "at_unix_s": r.at_unix_s if r else 0.0, "checks": [_shape(check) for check in self._checks],
            "load": list(r.load) if r else [], "uptime_s": r.machine_uptime_s if r else 0.0, "clock": r.clock if r else "unknown", "processes": processes,
            "history": list(self._points),
        }  # fmt: skip


def health_methods(box: Box) -> Mapping[str, Callable[[dict[str, Any], Any], Awaitable[Any]]]:
    """What the control socket answers of the machine and the software."""

    async def health(_: dict[str, Any], __: Any) -> shapes.HealthResult:
        return box.health.whole()

    async def system(_: dict[str, Any], __: Any) -> shapes.SystemResult:
        known = await box.loop.run_in_executor(None, machine)
        board, problem = await box.loop.run_in_executor(None, _board)
        parts = await box.loop.run_in_executor(None, licences.libraries)
        return {
            "version": version("holdfast"), "uptime_s": time.monotonic() - box.started_s, "machine_uptime_s": boottime_s(), "host": known.host,
            "board": known.board or (board["name"] if board else ""), "board_file": board, "board_problem": problem,
            "architecture": known.architecture, "system": known.system, "kernel": known.kernel, "python": known.python,
            "cores": known.cores, "supervised": READY_FD in os.environ, "libraries": list(parts),
        }  # fmt: skip

    async def licence(params: dict[str, Any], _: Any) -> shapes.LicenceResult:
        return {"name": params["name"], "text": await box.loop.run_in_executor(None, licences.text, params["name"])}

    return {"health": health, "system": system, "system.licence": licence}


def _board() -> tuple[shapes.BoardShape | None, str]:
    """(what the board file says and what is there of it, why there is none)."""
    try:
        each, board = boards.current()
    except SettingsError as error:
        return None, f"{error.sentence} ({error.hint})"
    return {
        "id": each, "name": board.name, "tested": board.tested, "console": board.console, "watchdog_s": board.watchdog_s, "status_led": board.status_led,
        "links": [{"name": link.name, "role": link.role, "up": link.up} for link in boards.links(board)],
        "modem_at": list(boards.devices(board.serial.modem_at)), "modem_audio": list(boards.devices(board.serial.modem_audio)),
    }, ""  # fmt: skip


def _shape(check: Check) -> shapes.CheckShape:
    found: shapes.CheckShape = asdict(check)  # type: ignore[assignment]
    return found
