"""The modem as a line of calls: what calls ask of its legs becomes commands to the modem, and its news becomes news of the legs. On the loop."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress

from appliance.cellular.api import CallChanged, CallView, Cellular, CellularError, End
from appliance.cellular.api import CallState as ModemCall
from appliance.cellular.api import News as ModemNews
from appliance.sip.api import Answered, Dial, Ended, Invite, MediaChanged, Origin, Progress
from appliance.sip.line import CODEC, LineLeg, Lines
from appliance.sip.trunks.numbers import from_trunk
from appliance.site.snapshot import Snapshot
from appliance.types import MODEM, Address, LegId

log = logging.getLogger(__name__)

NEEDED = "Line needed for an emergency call"
BUSY = Ended(503, "The Modem Is In Another Call", local=True, cause="congestion")
HERE = Address("127.0.0.1", 0)
"""Where a call of the modem comes from: this machine, no port."""


class ModemLine:
    """Implements `sip.line.Line`. The modem carries one call; an emergency call takes it from any that is none.

    `urgent`: whether the call of the leg with this Call-ID is one. A leg that hangs up is over at once, though the modem still needs a moment: the next
    call waits for that.
    """

    def __init__(self, modem: Cellular, lines: Lines, snapshot: Callable[[], Snapshot], urgent: Callable[[str], bool]) -> None:
        self._modem, self._lines, self._snapshot, self._urgent = modem, lines, snapshot, urgent
        self._leg: LineLeg | None = None
        self._call = 0
        self._answered = self._hanging_up = False
        self._waiting: tuple[LineLeg, Dial] | None = None
        self._sound: int | None = None
        modem.subscribe(self._news)
        modem.sound = self._sounds
        lines.add(MODEM, self)

    # ---- sip.line.Line -------------------------------------------------------------------------------------------

    def dial(self, leg: LineLeg, request: Dial) -> None:
        if not self._snapshot().site.modem.enabled and not request.emergency:
            leg.happens(Ended(503, "The Modem Is Switched Off", local=True, cause="unreachable"))
        elif not self._engaged():
            self._start(leg, request)
        elif self._kept_from(request):
            leg.happens(BUSY)
        else:
            if self._waiting is not None:
                self._waiting[0].happens(Ended(503, NEEDED, local=True, cause="congestion"))
            self._waiting = (leg, request)
            if self._leg is not None:
                log.warning("the modem's call %s ends: %s", self._leg.call_id, NEEDED.lower())
                self._end(self._leg, Ended(503, NEEDED, local=True, cause="dropped"))
            self._hang_up()

    def answer(self, leg: LineLeg) -> None:
        if leg is not self._leg:
            return
        try:
            self._modem.answer()
        except CellularError as error:
            self._end(leg, Ended(487, error.sentence, cause="cancelled"))

    def hang_up(self, leg: LineLeg) -> None:
        if self._waiting is not None and leg is self._waiting[0]:
            self._waiting = None
            leg.happens(Ended(487, local=True, cause="cancelled"))
        elif leg is self._leg:
            self._end(leg, _ended(End.HUNG_UP, "", answered=self._answered))
            self._hang_up()

    def tones(self, leg: LineLeg, digits: str) -> None:
        if leg is self._leg:
            with suppress(CellularError):  # not answered yet, or no keys of a phone
                self._modem.tones(digits)

    def sound_failed(self, leg: LineLeg) -> None:
        if leg is self._leg:
            log.warning("the sound of the modem's call %s broke off", leg.call_id)
            self._modem.sound_failed()

    # ---- the modem -----------------------------------------------------------------------------------------------

    def _news(self, news: ModemNews) -> None:
        if not isinstance(news, CallChanged):
            return
        call = news.call
        if self._leg is not None and call.id == self._call:
            self._follow(self._leg, call)
        elif call.state is ModemCall.INCOMING and self._leg is None and self._waiting is None:
            self._comes_in(call)
        if call.state is ModemCall.ENDED and not self._engaged():
            self._hanging_up = False
            if self._waiting is not None:
                (leg, request), self._waiting = self._waiting, None
                self._start(leg, request)

    def _follow(self, leg: LineLeg, call: CallView) -> None:
        match call.state:
            case ModemCall.DIALLING if call.taken:
                leg.happens(Progress(183))  # it is on its way: nobody need try another
            case ModemCall.ALERTING:
                leg.happens(Progress(180))
            case ModemCall.ACTIVE:
                self._answered = True
                leg.happens(MediaChanged(True, codec=CODEC))
                leg.happens(Answered())
            case ModemCall.ENDED:
                self._end(leg, _ended(call.end or End.FAR_END, call.reason, answered=self._answered, incoming=leg.invite is not None))

    def _comes_in(self, call: CallView) -> None:
        site = self._snapshot().site
        if not site.modem.enabled:
            log.info("a call from %s over the modem is left to ring: it is switched off", call.number or "somebody")
            return
        own = site.modem.sim.number or MODEM
        number = from_trunk(call.number, "national", site.country) or call.number

        def invite(leg: LegId) -> Invite:
            return Invite(leg, f"{leg}@line", f"tel:{own}", own, f"tel:{number}" if number else "", number, "", own, HERE, HERE, Origin.TRUNK, trunk=MODEM)

        self._adopt(self._lines.comes_in(self, invite), call)

    def _sounds(self, fd: int | None) -> None:
        self._sound = fd
        if self._leg is not None:
            self._leg.sound(fd)

    # ---- inside --------------------------------------------------------------------------------------------------

    def _start(self, leg: LineLeg, request: Dial) -> None:
        number = request.target.removeprefix("tel:")
        try:
            self._adopt(leg, self._modem.dial(number, emergency=request.emergency))
        except CellularError as error:
            log.warning("the modem does not call for %s: %s", leg.call_id, error.sentence)
            leg.happens(Ended(503, error.sentence, local=True, cause="unreachable"))

    def _adopt(self, leg: LineLeg, call: CallView) -> None:
        self._leg, self._call, self._answered = leg, call.id, False
        if self._sound is not None:
            leg.sound(self._sound)

    def _end(self, leg: LineLeg, ended: Ended) -> None:
        self._leg = None
        leg.happens(ended)

    def _hang_up(self) -> None:
        """Once for each call: a second one could meet the next."""
        if not self._hanging_up:
            with suppress(CellularError):  # it is over already
                self._modem.hang_up()
                self._hanging_up = True

    def _engaged(self) -> bool:
        call = self._modem.view.call
        return call is not None and call.state is not ModemCall.ENDED

    def _kept_from(self, request: Dial) -> bool:
        """Whether who has the modem, or waits for it, keeps it."""
        if self._leg is not None and not (request.emergency and not self._is_urgent(self._leg)):
            return True
        return self._waiting is not None and (self._waiting[1].emergency or not request.emergency)

    def _is_urgent(self, leg: LineLeg) -> bool:
        return leg.emergency or self._urgent(leg.call_id)


def _ended(end: End, reason: str, *, answered: bool, incoming: bool = False) -> Ended:
    """As a SIP leg would say it."""
    if answered:
        lost = end is End.MODEM_LOST
        return Ended(503 if lost else 200, "The Modem Is Gone" if lost else "", local=end is End.HUNG_UP, cause="vanished" if lost else "normal")
    if incoming or end is End.HUNG_UP:
        return Ended(487, "Request Terminated", local=end is End.HUNG_UP, cause="cancelled")
    match end:
        case End.BUSY:
            return Ended(486, "Busy Here", cause="busy")
        case End.NO_ANSWER | End.FAR_END:
            return Ended(480, "No Answer", cause="no-answer")
        case End.MODEM_LOST:
            return Ended(503, "The Modem Is Gone", cause="unreachable")
    return Ended(503, f"The Mobile Network Refuses The Call {reason}".rstrip(), cause="unreachable")
