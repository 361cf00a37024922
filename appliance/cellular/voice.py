"""The modem's one call, pure: +CLCC is the truth wherever a maker's own lines are missing or early, as they are over VoLTE."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from appliance.cellular.api import CallState, CallView, CellularError, End
from appliance.cellular.at import CALL_WORDS, Answer, Command, Verdict, fields, masked
from appliance.cellular.model import Model

log = logging.getLogger(__name__)

DIAL_S = 15.0
"""ATD is answered at once; what follows is told by lines."""
ANSWER_S = 10.0
SOUND_S = 2.0
"""A modem that is slow with its sound holds up a call no longer."""
GONE_POLLS = 2
"""A call that +CLCC does not list so often in a row is over: one miss happens while the network sets it up."""
_STATES = {"0": CallState.ACTIVE, "1": CallState.ACTIVE, "2": CallState.DIALLING, "3": CallState.ALERTING, "4": CallState.INCOMING}
_ORDER = (CallState.DIALLING, CallState.ALERTING, CallState.INCOMING, CallState.ACTIVE)
TONES = frozenset("0123456789*#ABCD")


class Send(Protocol):
    def __call__(self, command: Command, *, urgent: bool = False) -> None: ...


@dataclass(frozen=True, slots=True)
class Row:
    """A line of +CLCC (TS 27.007 7.18)."""

    outgoing: bool
    state: CallState
    number: str


def row(line: str) -> Row | None:
    """None: no voice call (a data session is listed as one of mode 1), or one that only waits."""
    found = fields(line)
    if len(found) < 4 or found[3] != "0" or found[2] not in _STATES:
        return None
    return Row(found[1] == "0", _STATES[found[2]], found[5] if len(found) > 5 else "")


class Voice:
    def __init__(self, send: Send, tell: Callable[[CallView], None], poll_s: float) -> None:
        self._send, self._tell, self._poll_s = send, tell, poll_s
        self.model: Model | None = None
        self.call: CallView | None = None
        self.mute = False
        """The modem did not give a call's sound when it was asked last."""
        self._serial = 0
        self._clear()

    def _clear(self) -> None:
        self._rows: list[Row] = []
        self._gone = 0
        self._poll_at_s = 0.0
        self._settled = False  # the modem has answered ATD: what ends a call from here on is about this one
        self._hanging_up = False
        self._refused, self._again = 0, False  # how often the modem did not take the hang-up, and whether it is to be repeated
        self._ending: End | None = None
        self._cause = ""
        self._sounding = False

    @property
    def up(self) -> bool:
        return self.call is not None and self.call.state is not CallState.ENDED

    @property
    def sound(self) -> bool:
        """The port of the sound carries this call's."""
        return self.up and self._sounding

    # ---- what is asked -------------------------------------------------------------------------------------------

    def dial(self, number: str, now: float, *, emergency: bool = False) -> CallView:
        if self.up:
            raise CellularError("The modem has a call up already", "it carries one call at a time", code="busy")
        call = self._begin(number, outgoing=True, now=now)
        if self.model is not None and self.model.sound_before:
            self._sound_on()
        self._send(self._command(f"ATD{number};", "dial", DIAL_S, dials=True, emergency=emergency), urgent=True)
        return call

    def answer(self) -> None:
        if self.call is None or self.call.state is not CallState.INCOMING:
            raise CellularError("No call comes in over the modem", code="no-call")
        if self.model is not None and self.model.sound_before:
            self._sound_on()
        self._send(self._command("ATA", "answer", ANSWER_S, dials=True), urgent=True)

    def hang_up(self) -> None:
        if not self.up:
            raise CellularError("The modem has no call", code="no-call")
        self._hanging_up = True
        self._send_hang_up()

    def tones(self, digits: str) -> None:
        if self.call is None or self.call.state is not CallState.ACTIVE:
            raise CellularError("No call is up over the modem", code="no-call")
        if not digits or not TONES.issuperset(digits):
            raise CellularError(f"{digits[:40]!r} are no keys of a phone", "digits, *, # and A to D", code="number")
        for digit in digits:
            self._send(Command(f"AT+VTS={digit}", "tone"), urgent=True)

    # ---- what is heard -------------------------------------------------------------------------------------------

    def line(self, line: str, now: float) -> bool:
        """Whether `line` was about calls."""
        model = self.model
        if line.startswith("+CLCC:"):
            if (found := row(line)) is not None:
                self._rows.append(found)
        elif line in {"RING", "+CRING: VOICE"} or line.startswith("+CLIP:"):
            # +CLCC says whether it still rings: a RING that was on its way when the call ended must not become a second one.
            if not self.up:
                self._send(self._command("AT+CLCC", "clcc"))
            elif line.startswith("+CLIP:"):
                self._caller(fields(line)[0])
        elif line.startswith("+CEER:"):
            self._cause = line.partition(":")[2].strip()[:80]
        elif model is not None and model.began.match(line):
            # Outgoing calls over VoLTE have this line while it still rings: the next +CLCC says whether somebody answered.
            self._poll_at_s = now
        elif line in CALL_WORDS or (model is not None and model.over.match(line)):
            if self.up and (self._settled or not self._outgoing()):
                self._over(line)
        else:
            return False
        return True

    def answered(self, answer: Answer, now: float) -> None:
        """The end of a command that was sent from here."""
        tag, final = answer.command.tag, answer.final
        if answer.command.call != self._serial:
            self._rows = []  # of the call before: another has begun since it was asked
            return
        if tag == "clcc":
            self._judge(now)
        elif tag == "ceer" and self.up and self._ending is not None:
            self._end(_by_cause(self._ending, self._cause), self._cause)
        elif tag == "dial" and self.up:
            self._settled = True
            if final.ok and self.call is not None:
                self._to(replace(self.call, taken=True), "OK")
            if final.verdict is Verdict.SILENT:
                self._send_hang_up("")  # it may dial yet
            if not final.ok:
                self._over(final.verdict if not final.text else f"{final.verdict}: {final.text}")
        elif tag == "answer" and self.up and not final.ok:
            self._over(final.verdict)
        elif tag == "hang-up" and self.up:
            if final.ok:
                self._end(End.HUNG_UP)
            else:
                log.warning("the modem does not hang up: %s", final.verdict)
                self._refused, self._again, self._poll_at_s = self._refused + 1, True, now  # it may be over: +CLCC says
        elif tag == "answer":
            self._poll_at_s = now
        elif tag == "sound":
            self.mute, self._sounding = not final.ok, final.ok
            if not final.ok:
                log.warning("the modem does not give its calls' sound: %s", final.verdict)
        self._poll_at_s = min(self._poll_at_s, now + self._poll_s)

    def tick(self, now: float) -> None:
        if self.up and now >= self._poll_at_s and (self._settled or not self._outgoing()):
            self._poll_at_s = now + self._poll_s
            self._send(self._command("AT+CLCC", "clcc"), urgent=False)

    def lost(self) -> None:
        """The modem is gone, and its call with it."""
        if self.up:
            self._end(End.MODEM_LOST)

    # ---- inside --------------------------------------------------------------------------------------------------

    def _command(self, text: str, tag: str, timeout_s: float = 5.0, *, dials: bool = False, emergency: bool = False, ends: bool = False) -> Command:
        """One about this call: what comes of it is no matter of the next."""
        return Command(text, tag, timeout_s, dials=dials, emergency=emergency, ends=ends, call=self._serial)

    def _send_hang_up(self, tag: str = "hang-up") -> None:
        """With ATH every second time, where the usual command is refused."""
        usual = self.model.hang_up if self.model else "AT+CHUP"
        self._send(self._command("ATH" if self._refused % 2 else usual, tag, ends=True), urgent=True)

    def _outgoing(self) -> bool:
        return self.call is not None and self.call.outgoing

    def _begin(self, number: str, *, outgoing: bool, now: float) -> CallView:
        self._clear()
        self._serial += 1
        self._poll_at_s = now + self._poll_s
        self._to(CallView(self._serial, number, outgoing, CallState.DIALLING if outgoing else CallState.INCOMING), "dial" if outgoing else "ring")
        assert self.call is not None
        return self.call

    def _caller(self, number: str) -> None:
        if self.call is not None and self.call.state is CallState.INCOMING and number and not self.call.number:
            self._to(replace(self.call, number=number), "CLIP")

    def _judge(self, now: float) -> None:
        rows, self._rows = self._rows, []
        call = self.call
        if call is None or not self.up:
            rings = next((row for row in rows if row.state is CallState.INCOMING), None)
            if rings is not None:
                self._begin(rings.number, outgoing=False, now=now)
            return
        found = next((row for row in rows if row.outgoing is call.outgoing), None)
        if found is None:
            self._gone += 1
            if self._gone >= GONE_POLLS:
                self._over("gone from +CLCC")
            return
        self._gone = 0
        if self._again:
            self._again = False
            self._send_hang_up()
        if _ORDER.index(found.state) > _ORDER.index(call.state):
            self._to(replace(call, state=found.state, number=call.number or found.number), "+CLCC")
        if found.state is CallState.ACTIVE and not self._sounding:
            self._sound_on()

    def _sound_on(self) -> None:
        if self.model is not None and self.model.sound_on:
            self._sounding = True
            self._send(self._command(self.model.sound_on, "sound", SOUND_S), urgent=True)

    def _over(self, why: str) -> None:
        """The call ended without the box; where the reason is not plain, the modem is asked first."""
        call = self.call
        assert call is not None
        if self._hanging_up:
            self._end(End.HUNG_UP)
        elif why == "BUSY":
            self._end(End.BUSY)
        elif why == "NO ANSWER":
            self._end(End.NO_ANSWER)
        elif call.state is CallState.ACTIVE or not call.outgoing:
            self._end(End.FAR_END)
        elif self._ending is None:
            self._ending = End.NO_ANSWER if call.state is CallState.ALERTING else End.REFUSED
            self._cause = why
            self._send(self._command("AT+CEER", "ceer", 2.0), urgent=True)

    def _end(self, end: End, reason: str = "") -> None:
        assert self.call is not None
        if self._sounding and self.model is not None and end is not End.MODEM_LOST:
            self._send(Command(self.model.sound_off, "sound-off", SOUND_S), urgent=True)  # before the next call has it on
        self._to(replace(self.call, state=CallState.ENDED, end=end, reason=reason), end)

    def _to(self, new: CallView, event: str) -> None:
        """The one place where the call changes."""
        old = self.call.state if self.call is not None and self.call.id == new.id else "-"
        log.info("modem call %d with %s: %s -> %s -> %s", new.id, masked(new.number) or "somebody", old, event, new.state)
        self.call = new
        self._tell(new)


def _by_cause(end: End, cause: str) -> End:
    """What +CEER's words say of an attempt that failed; over VoLTE a busy line comes as NO CARRIER with these."""
    words = cause.lower()
    if "busy" in words:
        return End.BUSY
    return End.NO_ANSWER if "no answer" in words or "respond" in words else end
