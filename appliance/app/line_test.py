"""A test call over one trunk: the box itself calls a number, says a sentence to whoever answers, and tells how it went and what to do."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from appliance.app.cellular import NO_MODEM
from appliance.app.line_faults import no_address, not_called, not_over_modem, not_signed_in, unheard
from appliance.callflow.words import phrase
from appliance.calls.caller import Caller
from appliance.calls.cdr import CallRecord
from appliance.calls.dials import TRUNK_SILENCE_S, Calling, to_outside
from appliance.calls.live import CallState, LiveCall
from appliance.calls.quality import Side
from appliance.calls.refer import by_a_person
from appliance.calls.route import ToOutside
from appliance.control import shapes
from appliance.errors import HoldfastError, NotFound
from appliance.events.trunk import LineTested
from appliance.sip.api import Answered, Dial, Ended, Leg, News, PlaybackEnded, Progress, Sound
from appliance.sip.trunks.numbers import Kind, barred, dialled
from appliance.site.model.lines import Trunk
from appliance.types import MODEM, DeviceId, SessionId, TrunkId

if TYPE_CHECKING:
    from appliance.app.wiring import Box

log = logging.getLogger(__name__)

SIGN_IN_S = 10.0
"""A trunk that came into force a moment ago may still be signing in."""
LOOK_S = 0.2
RING_S = 45.0
TALK_S = 25.0
SAID = 2
"""How often the sentence is said."""


class LineTests:
    """One at a time. Loop only. `last`: the newest, in progress or over."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._task: asyncio.Task[None] | None = None
        self.last: shapes.LineTestShape | None = None

    def start(self, trunk: str, to: str) -> shapes.LineTestShape:
        """Begin a call over `trunk` to the outside number `to`. Raises NotFound, HoldfastError."""
        box = self._box
        self._in_force(trunk)
        if self._task is not None and not self._task.done():
            raise HoldfastError("A test call is up already", "wait until it is over, a minute at most", code="busy")
        number = self._number(to)
        self._room(TrunkId(trunk))
        if box.endpoint.free_legs() < 1:
            raise HoldfastError("No line is free for another call", "try again when a call has ended", code="congestion")
        session = box.new_session()
        self.last = {
            "id": session, "trunk": trunk, "to": number, "state": "signing-in", "code": 0, "reason": "", "cause": "", "cure": "", "heard": None,
            "began_unix_s": time.time(),
        }  # fmt: skip
        self._task = asyncio.get_running_loop().create_task(self._run(session, TrunkId(trunk), number), name="line test")
        return self.last

    def _in_force(self, trunk: str) -> None:
        """Raises NotFound, HoldfastError where there is no such way out."""
        site = self._box.snapshot.site
        if trunk == MODEM:
            if self._box.cellular.driver is None:
                raise NotFound(*NO_MODEM)
            if not site.modem.enabled:
                raise HoldfastError("The modem is switched off", "switch it on and apply the change", code="unreachable")
            return
        if trunk not in site.trunks:
            raise NotFound(f"There is no trunk {trunk} in force", "apply the changes first; `holdfast status` lists the trunks")
        if not site.trunks[trunk].enabled:
            raise HoldfastError(f"The trunk {trunk} is switched off", "switch it on and apply the change", code="unreachable")

    async def stop(self) -> None:
        """End what is up."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _room(self, trunk: TrunkId) -> None:
        """Raises HoldfastError where an emergency call is up, or ordinary calls take all channels of the trunk."""
        live, held = self._box.context.live, self._box.snapshot.site.trunks.get(trunk)  # None: the modem, which carries one call
        if any(call.emergency for call in live.rows()):
            raise HoldfastError("An emergency call is in progress, and the line is kept for it", "try again when it is over", code="emergency-in-progress")
        most = held.max_calls if held is not None else 1
        if most and live.on_trunk(trunk) >= most:
            who = f"All lines of the trunk {held.name} are busy" if held is not None else "The modem is in a call"
            raise HoldfastError(who, "try again when a call has ended", code="congestion")

    def _number(self, to: str) -> str:
        """`to` in E.164. Raises HoldfastError where it is none that may be called from here; emergency numbers are never tried out like this."""
        snapshot = self._box.snapshot
        outbound, country = snapshot.site.outbound, snapshot.site.country
        plain = "".join(char for char in to if char not in " ().-/\u00a0")
        if self._box.recogniser.match(f"sip:{plain}@{snapshot.realm}", "sip", plain):
            raise by_a_person(plain)
        meant = dialled(plain, country=country, outside_prefix=outbound.outside_prefix, extensions=())
        if meant.kind is Kind.EMERGENCY:
            raise by_a_person(plain)
        if meant.kind not in (Kind.OUTSIDE, Kind.INTERNATIONAL):
            raise HoldfastError(f"{to} is no outside number", "write it as you would dial it, or with + and the country code", code="number")
        why = barred(meant.number, country=country, allowed_countries=outbound.allowed_countries, blocked_prefixes=outbound.blocked_prefixes)
        if why is not None:
            raise HoldfastError(
                f"{meant.number} may not be called from here: {why}", "allow it under Lines, Outside dialling, or call another number", code="number"
            )
        return meant.number

    def _now(self, state: str, code: int = 0, reason: str = "", why: tuple[str, str] = ("", ""), heard: bool | None = None) -> None:
        """The one place where a test changes its state."""
        last = self.last
        assert last is not None
        log.info("test call %s over %s: %s -> %s %d %s", last["id"], last["trunk"], last["state"], state, code, reason)
        self.last = {**last, "state": state, "code": code, "reason": reason, "cause": why[0], "cure": why[1], "heard": heard}
        self._box.bus.publish(LineTested(time.time(), TrunkId(last["trunk"]), state, code))

    async def _run(self, session: SessionId, trunk: TrunkId, number: str) -> None:
        try:
            if await self._signed_in(trunk):
                await self._call(session, trunk, number)
        except HoldfastError as error:  # no leg, no account
            self._now("failed", why=(error.sentence, error.hint))
        except Exception:
            log.exception("the test call over %s failed", trunk)
            self._now("failed", why=("The test call ended by a fault of the box", "Try again; its log has the details"))

    async def _signed_in(self, trunk: TrunkId) -> bool:
        """Wait until the trunk has an address and, where it registers, is registered; False: it will not, and that is told."""
        if trunk == MODEM:
            return True
        held, deadline = self._box.snapshot.site.trunks[trunk], time.monotonic() + SIGN_IN_S
        while True:
            row = next((row for row in self._box.trunks.states() if row.id == trunk), None)
            if row is None:
                self._now("failed", why=(f"The trunk {held.name} is no longer in force", "Apply the changes, then try again"))
                return False
            if row.address and row.registered is not False:
                return True
            late = time.monotonic() >= deadline
            if not row.address and late:
                self._now("failed", reason=row.reason, why=no_address(held, row.reason))
                return False
            if row.address and row.registered is False and (row.code >= 400 or late):
                self._now("failed", row.code, row.reason, not_signed_in(held, row.code, row.reason))
                return False
            await asyncio.sleep(LOOK_S)

    async def _call(self, session: SessionId, trunk: TrunkId, number: str) -> None:
        box, began = self._box, time.time()
        site = box.snapshot.site
        self._room(trunk)  # calls may have come while it signed in
        plan = to_outside(ToOutside(number, (trunk,)), Calling(Caller("", site.name)), box.snapshot, (trunk,))
        dial = plan.stages[0].branches[0].dial
        text, voice = phrase(site.language, "line-test", name=site.name)
        answered: float | None = None
        call, ended, heard = LineCall(box, session, trunk, dial, number), Ended(0, cause="error"), False
        speaking = asyncio.create_task(box.voice.speaker.speech(text, voice), name="line test words")
        self._now("dialling")
        try:
            reached, ended = await self._answered(call)
            if reached:
                answered = time.time()
                self._now("answered", 200)
                ended, heard = await _talk(call, speaking)
            if call.dropped:
                self._now("failed", why=(f"The test call was ended: {call.dropped}", "Try again later"))
            elif reached:
                self._now("ended", 200, why=("", "") if heard else unheard(), heard=heard)
            else:
                self._now("failed", ended.code, ended.reason, _why(site.trunks.get(trunk), number, ended))
        finally:
            call.end()
            speaking.cancel()
            box.context.record(_record(session, call.leg, dial, trunk, number, (began, answered), ended))

    async def _answered(self, call: LineCall) -> tuple[bool, Ended]:
        """Whether somebody took the call; else why not. A carrier that says nothing is not waited for as long as a person."""
        loop, ringing = asyncio.get_running_loop(), False
        try:
            async with asyncio.timeout(TRUNK_SILENCE_S) as limit:
                while True:
                    match await call.news.get():
                        case Answered():
                            return True, Ended(200)
                        case Ended() as ended:
                            return False, ended
                        case Progress(code) if not ringing:
                            limit.reschedule(loop.time() + RING_S)
                            if code >= 180:
                                ringing = True
                                self._now("ringing", code)
        except TimeoutError:
            return False, Ended(480, "No Answer", local=True, cause="no-answer") if ringing else Ended(0, local=True, cause="timeout")


class LineCall:
    """The call itself, in the registry of calls like any other: it counts against its trunk's limit, and makes room for an emergency call.

    `dropped`: why it was ended from inside the box.
    """

    emergency = False

    def __init__(self, box: Box, session: SessionId, trunk: TrunkId, dial: Dial, number: str) -> None:
        self.id, self._box, self._trunk, self._number, self._shown = session, box, trunk, number, dial.from_display
        self.news: asyncio.Queue[News] = asyncio.Queue()
        self.state, self.since, self.dropped = CallState.DIALLING, time.time(), ""
        self.leg = box.endpoint.dial(dial)
        self.leg.deliver_to(self._on_news)
        box.context.live.add(self)

    def row(self) -> LiveCall:
        return LiveCall(self.id, self.leg.call_id, "", self._shown, self._number, "", self.state, self.since, "", False, False)

    def devices(self) -> Iterable[DeviceId]:
        return ()

    def trunks(self) -> Iterable[TrunkId]:
        return (self._trunk,)

    def leg_with(self, call_id: str) -> Leg | None:
        """Nobody takes it over."""
        return None

    def dialogs(self) -> tuple[str, ...]:
        return (self.leg.call_id,) if self.leg.call_id else ()

    def audio_leg(self) -> Leg | None:
        return self.leg if self.state is CallState.UP else None

    def sides(self) -> tuple[Side, ...]:
        return ()

    def drop(self, reason: str, cause: str = "dropped") -> None:
        if self.state is not CallState.ENDED:
            self.dropped = reason
            self.end()
            self.news.put_nowait(Ended(503, reason, local=True, cause=cause))

    def let_go(self, device: DeviceId) -> None:
        """No phone of ours is in it."""

    def end(self) -> None:
        """Hang up, and out of the registry; the second time nothing happens."""
        if self.state is not CallState.ENDED:
            self._enter(CallState.ENDED)
            self._box.context.live.remove(self)
            self.leg.hangup()

    def _enter(self, state: CallState) -> None:
        self.state, self.since = state, time.time()

    def _on_news(self, leg: Leg, news: News) -> None:
        if leg.call_id:  # it has none before the INVITE is out
            self._box.sessions.note(leg.call_id, self.id)
        if self.state is CallState.ENDED:
            if isinstance(news, Answered):
                leg.hangup()  # its 200 crossed our CANCEL
            return
        if isinstance(news, Answered):
            self._enter(CallState.UP)
        elif isinstance(news, Progress) and news.code >= 180 and self.state is CallState.DIALLING:
            self._enter(CallState.RINGING)
        self.news.put_nowait(news)


def _why(trunk: Trunk | None, number: str, ended: Ended) -> tuple[str, str]:
    """Cause and cure of a call that was not answered; `trunk` None: over the modem."""
    return not_called(trunk, number, ended.code, ended.reason) if trunk is not None else not_over_modem(ended.code, ended.reason)


async def _talk(call: LineCall, speaking: asyncio.Task[Sound]) -> tuple[Ended, bool]:
    """Say the sentence until the far end hangs up or it was said often enough; how it ended, and whether anything was heard from there."""
    said, heard, playing = 0, False, False
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(TALK_S):
            while said < SAID:
                if speaking.done() and not playing:
                    call.leg.play(speaking.result())
                    playing = True
                try:
                    news = await asyncio.wait_for(call.news.get(), LOOK_S)
                except TimeoutError:
                    stats = None if heard else await call.leg.stats()
                    heard = heard or (stats is not None and stats.rx_packets > 0)
                    continue
                if isinstance(news, Ended):
                    return news, heard
                if isinstance(news, PlaybackEnded):
                    said, playing = said + 1, False
    return Ended(200, local=True), heard


def _record(session: SessionId, leg: Leg, dial: Dial, trunk: TrunkId, number: str, times: tuple[float, float | None], ended: Ended) -> CallRecord:
    began, answered = times
    return CallRecord(
        session=session, call_id=leg.call_id, direction="outgoing", started=began, answered=answered, ended=time.time(), caller="",
        caller_name=dial.from_display, callee=number, dialled=number, device=None, callee_device=None, trunk=trunk, cause="normal" if answered else ended.cause,
        code=200 if answered else ended.code, reason=ended.reason, hangup_by="box" if ended.local else "callee", codec="", dialogs=(leg.call_id,),
        notes=("Test call of the line",),
    )  # fmt: skip
