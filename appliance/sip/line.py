"""Legs over a line that is no SIP dialog (a modem): their sound is a port of the bridge over a file descriptor, their signalling is somebody else's."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from appliance.sip._pj.lineports import close_port, open_port, set_sound
from appliance.sip.api import Answered, Dial, Ended, Invite, MediaChanged, News, TransferProgress
from appliance.sip.leg import SipLeg
from appliance.types import LegId, TrunkId

if TYPE_CHECKING:
    from appliance.sip.endpoint import SipEndpoint

CODEC = "pcm"
"""What displays and records say of the sound of such a leg."""


class Line(Protocol):
    """The signalling of a line. Used on the loop, never waits and never raises; what becomes of it is told to the leg by `LineLeg.happens`."""

    def dial(self, leg: LineLeg, request: Dial) -> None: ...

    def answer(self, leg: LineLeg) -> None: ...

    def hang_up(self, leg: LineLeg) -> None: ...

    def tones(self, leg: LineLeg, digits: str) -> None: ...

    def sound_failed(self, leg: LineLeg) -> None: ...


class LineLeg(SipLeg):
    """Implements `api.Leg`. What SIP has and the line has not (hold, REFER, a ringing that is sent back) is left out."""

    __slots__ = ("line",)

    def __init__(self, endpoint: SipEndpoint, leg_id: LegId, line: Line, *, invite: Invite | None = None, dialled: Dial | None = None) -> None:
        super().__init__(endpoint, leg_id, invite=invite, dialled=dialled)
        self.call_id = self.call_id or f"{leg_id}@line"
        self.line = line

    # ---- for the line: on the loop -------------------------------------------------------------------------------

    def happens(self, news: News) -> None:
        """News of this leg, in order; it is over with `Ended`."""
        self._endpoint.post(self._endpoint.lines.happens, self, news)

    def sound(self, fd: int | None) -> None:
        """Its sound comes and goes there from now on (None: nowhere). The descriptor stays its owner's. A port that is closed already has none."""
        with contextlib.suppress(OSError):
            self._endpoint.post(self._endpoint.lines.sound, self, os.dup(fd) if fd is not None else -1)

    # ---- api.Leg where it differs --------------------------------------------------------------------------------

    def ring(self, code: int = 180) -> None:
        if code == 183:
            self.happens(MediaChanged(True, codec=CODEC))  # nobody hears it before the answer; who speaks need not wait

    def answer(self, codecs: tuple[str, ...] = (), headers: tuple[tuple[str, str], ...] = ()) -> None:
        self.line.answer(self)

    def hangup(self, code: int = 0, reason: str = "", headers: tuple[tuple[str, str], ...] = ()) -> None:
        self.line.hang_up(self)

    def hold(self) -> None: ...

    def resume(self) -> None: ...

    def send_digits(self, digits: str, method: str = "rfc4733", duration_ms: int = 160) -> None:
        self.line.tones(self, digits)

    def refer(self, target_uri: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        self.happens(TransferProgress(501, True))

    def accept_transfer(self, code: int = 202) -> None: ...

    def notify_transfer(self, code: int, reason: str, final: bool) -> None: ...


class Lines:
    """The lines of an endpoint by the name they are dialled by, and on the SIP thread the ports of their legs."""

    def __init__(self, endpoint: SipEndpoint) -> None:
        self._endpoint = endpoint
        self._by_name: dict[TrunkId, Line] = {}

    # ---- on the loop ---------------------------------------------------------------------------------------------

    def add(self, name: TrunkId, line: Line) -> None:
        self._by_name[name] = line

    def dial(self, leg_id: LegId, request: Dial) -> LineLeg | None:
        """None: the request is not for a line."""
        line = self._by_name.get(request.account) if isinstance(request.account, str) else None
        if line is None:
            return None
        leg = LineLeg(self._endpoint, leg_id, line, dialled=request)
        self._endpoint.post(self._open, leg)
        line.dial(leg, request)
        return leg

    def comes_in(self, line: Line, invite: Callable[[LegId], Invite]) -> LineLeg:
        """A call comes in: whoever takes the endpoint's `invites` has its leg."""
        leg_id = self._endpoint.new_leg_id()
        leg = LineLeg(self._endpoint, leg_id, line, invite=invite(leg_id))
        self._endpoint.post(self._open, leg)
        self._endpoint.invites.put_nowait(leg)
        return leg

    # ---- on the SIP thread ---------------------------------------------------------------------------------------

    def _open(self, leg: LineLeg) -> None:
        leg.call = open_port()
        leg.codec = CODEC
        if leg.call >= 0:
            self._endpoint.enter(leg)

    def sound(self, leg: LineLeg, fd: int) -> None:
        set_sound(leg.call, fd)

    def happens(self, leg: LineLeg, news: News) -> None:
        if isinstance(news, Answered):
            leg.answered = True
        elif isinstance(news, Ended):
            call = leg.call
            self._endpoint.leave(leg)
            close_port(call)
        self._endpoint.tell(leg, news)
        if isinstance(news, MediaChanged) and news.active:
            self._endpoint.sound_again(leg)
