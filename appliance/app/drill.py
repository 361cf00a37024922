"""The outage drill: netd cuts the internet for a set time, the box looks whether everything inside goes on, and a report is kept.

The cut hangs on one connection to netd. It ends when its time is over, when that connection is closed (an emergency call does that at once), when engine or
netd are gone, and in the kernel by itself a few seconds after the last sign of life of both.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.app import drill_checks as checks
from appliance.control.drill_shapes import DrillCheck, DrillResult, DrillShape
from appliance.errors import HoldfastError, StateError
from appliance.events.wan import DrillChanged
from appliance.network.netd.client import Session, call
from appliance.network.netd.protocol import NetdError
from appliance.network.wan_state import State
from appliance.site.files import write
from appliance.state.clock import Moment

if TYPE_CHECKING:
    from appliance.app.wiring import Box

log = logging.getLogger(__name__)

ABOUT_S = 15.0
NETD_S = 2.0
LOOK_S = 0.25
CHECKS_S = 5.0
"""So long before the end the checks are made even if the outage was not noticed."""
MORE_S = 15.0
"""How much longer than the times of the site the return of the internet is waited for."""
_EMERGENCY = "an emergency call began, and the internet was given back at once"
_KILLED = "the engine ended in the middle of it; the internet was given back by netd, or by the kernel"


class Drills:
    """One at a time. Loop only. `last`: the one under way, or the report of the last one."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._file: Path = box.settings.data / "state" / "drill.json"
        self._starting = False
        self._session: Session | None = None
        self._task: asyncio.Task[None] | None = None
        self._ended = ""
        self._over = asyncio.Event()
        self.unable = "whether it can be done is not known yet"
        self.last: DrillShape | None = None

    async def load(self) -> None:
        """The report of the last one, from the disk; one that was under way is over."""
        try:
            found: DrillShape = json.loads(await asyncio.to_thread(self._file.read_text))
            if found["state"] != "over":
                found = {**found, "state": "over", "ended": _KILLED, "ended_unix_s": time.time(), "left_s": 0.0}
            self.last = found
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError):
            log.warning("the report of the last outage drill cannot be read: %s", self._file)

    async def run(self) -> None:
        """Keeps asking netd whether it can, as long as the box."""
        while True:
            self.unable = await self._about()
            await asyncio.sleep(ABOUT_S)

    async def _about(self) -> str:
        try:
            async with asyncio.timeout(NETD_S):
                return str((await call(self._box.settings.netd_socket, "netd.about"))["unable"])
        except (NetdError, TimeoutError) as error:
            return error.sentence if isinstance(error, NetdError) else "the process that changes the network (netd) does not answer"

    def result(self) -> DrillResult:
        return {"unable": self.unable, "last": self.last}

    # ---- begin and end -------------------------------------------------------------------------------------------

    async def start(self, seconds: int, by: str) -> DrillShape:
        """Cut the internet for so long. Raises HoldfastError where that must not be, or netd cannot."""
        if self._starting or self._session is not None or (self._task is not None and not self._task.done()):
            raise HoldfastError("A drill is under way", "wait until it is over, or end it", code="busy")
        self._starting, self._ended = True, ""
        self._over.clear()
        try:
            return await self._begin(seconds, by)
        finally:
            self._starting = False

    async def _begin(self, seconds: int, by: str) -> DrillShape:
        """Whatever ends it while something is waited for here is found in `_ended`."""
        if (unable := await self._about()) != "":
            self.unable = unable
            raise HoldfastError(f"There can be no drill here: {unable}", "run the box as root, or install its package", code="unable")
        self._allowed()
        before = checks.phones(self._box)
        answered = await checks.ask_phones(self._box, before)
        self._allowed()
        session = self._session = await Session.open(self._box.settings.netd_socket)
        spare = sorted({binding.received.ip for binding in before})
        try:
            if self._ended:
                raise self._not_begun()
            found = await session.call("drill.cut", seconds=seconds, spare=[ip for ip in spare if not ip.startswith("127.") and ":" not in ip])
            if self._ended:
                raise self._not_begun()
        except BaseException as error:
            self._close(session)
            if self._ended and isinstance(error, NetdError):
                raise self._not_begun() from error
            raise
        began = time.time()
        interfaces = [str(name) for name in found["interfaces"]]
        self._now(
            {
                "id": self._box.new_session(), "state": "cut", "began_unix_s": began, "ended_unix_s": None, "seconds": seconds, "left_s": float(seconds),
                "by": by, "interfaces": interfaces, "ended": "",
                "checks": [checks.check("cut", True, f"The internet was cut at {', '.join(interfaces)} for {seconds} s")],
            }
        )  # fmt: skip
        log.warning("outage drill by %s: the internet is cut at %s for %d s", by, ", ".join(interfaces), seconds)
        self._task = asyncio.get_running_loop().create_task(self._run(session, seconds, answered), name="drill")
        assert self.last is not None
        return self.last

    def _allowed(self) -> None:
        """Raises HoldfastError."""
        box = self._box
        if box.notices.live() or any(row.emergency for row in box.context.live.rows()):
            raise HoldfastError("An emergency call is in progress", "try again when it is over", code="emergency-in-progress")
        if box.callbacks.map.records(Moment.now()):
            hint = "try again when that time is over (emergency.callback_hold_minutes)"
            raise HoldfastError("After an emergency call its dispatcher may call back, and must get through", hint, code="emergency-in-progress")
        if box.wan.wan.state is State.DOWN:
            raise HoldfastError("The internet is down already, and this is no drill", "see `holdfast wan status`", code="down")

    def _not_begun(self) -> HoldfastError:
        if self._ended == _EMERGENCY:
            return HoldfastError("The drill was not begun: an emergency call began", "try again when it is over", code="emergency-in-progress")
        return HoldfastError(f"The drill was not begun: {self._ended}", "begin it again", code="idle")

    def emergency_began(self) -> None:
        """Called the moment an emergency call is taken, before its INVITE leaves; never waits, never raises."""
        self._end(_EMERGENCY)

    def end(self, by: str) -> DrillShape:
        """End it early. Raises HoldfastError where there is none."""
        if self._session is None or self.last is None:
            raise HoldfastError("No drill is under way", "`holdfast wan drill` begins one", code="idle")
        self._end(f"it was ended by {by}")
        return self.last

    def _end(self, why: str) -> None:
        if self._starting or self._session is not None:
            if self._session is not None:
                self._close(self._session)
            self._ended = self._ended or why
            self._over.set()
            log.warning("the outage drill ends early: %s", why)

    def _close(self, session: Session) -> None:
        session.close()
        if self._session is session:
            self._session = None

    async def stop(self) -> None:
        """The engine stops."""
        self._end("the engine stopped")
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # ---- the drill -----------------------------------------------------------------------------------------------

    async def _run(self, session: Session, seconds: int, before: tuple[checks.Asked, ...]) -> None:
        came = time.monotonic()
        up = self._box.wan.wan.state in {State.UP, State.POOR}
        try:
            await self._save()
            await self._during(session, came + seconds, before)
        except Exception:
            log.exception("the outage drill broke off")
            self._ended = self._ended or "a fault of the box; its log has the details"
        finally:
            self._close(session)
        try:
            self._change(state="returning", left_s=0.0, ended=self._ended)
            await self._save()
            await self._returns(up)
        except Exception:
            log.exception("the return of the internet after the drill could not be watched")
        self._change(state="over", ended_unix_s=time.time())
        await self._save()

    async def _during(self, session: Session, until: float, before: tuple[checks.Asked, ...]) -> None:
        """Until the time is over or somebody ends it."""
        box, began, looked = self._box, time.monotonic(), False
        noticed: float | None = None
        asked = 0.0
        while (left := until - time.monotonic()) > 0 and not self._over.is_set():
            if noticed is None and box.wan.wan.state is State.DOWN:
                noticed = time.monotonic() - began
                self._check(checks.check("noticed", True, f"The box noticed after {noticed:.1f} s: {box.wan.wan.why}"))
            if not looked and (noticed is not None or left < CHECKS_S):
                looked = True
                await self._look(before, noticed is not None)
            if time.monotonic() - asked >= 1.0 and not self._over.is_set():
                asked = time.monotonic()
                try:
                    if not (await session.call("drill.state"))["cut"] and until - time.monotonic() > 1.0:
                        self._end("the kernel had ended the cut")
                        break
                except NetdError:
                    self._end("netd was gone, and the kernel gave the internet back")
                    break
                self._change(left_s=max(0.0, until - time.monotonic()))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(LOOK_S, max(0.0, until - time.monotonic()))):
                    await self._over.wait()
        if noticed is None:
            spent = time.monotonic() - began
            silence = box.wan.wan.times.silence_s
            watched = bool(box.snapshot.trunks or box.snapshot.site.wan.probes)
            if spent > silence + CHECKS_S and watched:
                self._check(checks.check("noticed", False, f"The box did not notice within {spent:.0f} s"))
            else:
                why = f"{spent:.0f} s were too short to tell" if watched else "it has no line outside and nobody to ask"
                self._check(checks.check("noticed", None, f"The box did not notice: {why}"))

    async def _look(self, before: tuple[checks.Asked, ...], noticed: bool) -> None:
        """The checks, while the internet is cut."""
        box = self._box
        found, there = await checks.emergency(box, noticed), checks.phones(box)
        answered = await checks.ask_phones(box, there)
        if self._over.is_set():  # the internet was back by then: it would prove nothing
            return
        self._check(found)
        self._check(checks.still_registered((each.device for each in before), (binding.device for binding in there)))
        self._check(checks.local_calls(before, answered))
        self._check(checks.names(box))
        self._check(checks.outbox(await checks.waiting(box), None))
        await self._save()

    async def _returns(self, up: bool) -> None:
        """Whether the cut is gone, and when the internet is trusted again. `up`: it was before."""
        wan, began = self._box.wan.wan, time.monotonic()
        limit = wan.times.trust_s + 2 * wan.times.silence_s + MORE_S
        while up and wan.state not in {State.UP, State.POOR} and time.monotonic() - began < limit:
            await asyncio.sleep(LOOK_S)
        took = time.monotonic() - began
        if not up:
            self._check(checks.check("back", None, "Whether the internet is there was not known before the drill either"))
        elif wan.state in {State.UP, State.POOR}:
            self._check(checks.check("back", True, f"The internet was given back, and trusted again after {took:.0f} s"))
        else:
            self._check(checks.check("back", False, f"The internet was given back, and is still down after {took:.0f} s: {wan.why}"))
        waited = next((each for each in (self.last or {"checks": []})["checks"] if each["key"] == "outbox"), None)
        if waited is not None and waited["state"] == "ok" and (now := await checks.waiting(self._box)) is not None:
            self._check({**waited, "sentence": f"{waited['sentence']}, {now or 'none'} after it"})

    # ---- what is told --------------------------------------------------------------------------------------------

    def _check(self, found: DrillCheck) -> None:
        assert self.last is not None
        log.info("outage drill: %s %s: %s", found["key"], found["state"], found["sentence"])
        self._change(checks=[*(each for each in self.last["checks"] if each["key"] != found["key"]), found])

    def _change(self, **fields: Any) -> None:
        assert self.last is not None
        self._now({**self.last, **fields})  # type: ignore[typeddict-item]

    def _now(self, shape: DrillShape) -> None:
        """The one place where a drill changes."""
        before = self.last
        self.last = shape
        if before is None or before["id"] != shape["id"] or before["state"] != shape["state"]:
            log.info("outage drill %s: %s", shape["id"], shape["state"])
        self._box.bus.publish(DrillChanged(time.time(), shape["id"], shape["state"]))

    async def _save(self) -> None:
        try:
            await asyncio.to_thread(write, self._file, json.dumps(self.last).encode())
        except StateError as error:
            log.warning("the report of the outage drill could not be kept: %s", error)


def drill_methods(drills: Drills) -> Mapping[str, Callable[[dict[str, Any], Any], Awaitable[Any]]]:
    """What the control socket answers of drills."""

    async def shown(_: dict[str, Any], __: Any) -> DrillResult:
        return drills.result()

    async def start(params: dict[str, Any], peer: Any) -> DrillShape:
        return await drills.start(params["seconds"], params["by"] or f"uid {peer.uid}")

    async def end(params: dict[str, Any], peer: Any) -> DrillShape:
        return drills.end(params["by"] or f"uid {peer.uid}")

    return {"drill": shown, "drill.start": start, "drill.end": end}
