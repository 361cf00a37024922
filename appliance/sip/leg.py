"""One dialog as the asyncio side sees it: commands are posted to the SIP thread, news arrives in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from appliance.sip.api import Answered, Dial, Ended, Invite, Leg, LegState, MediaStats, News, Progress
from appliance.sound import Sound
from appliance.types import LegId

if TYPE_CHECKING:
    from appliance.sip.endpoint import SipEndpoint

log = logging.getLogger(__name__)


class SipLeg:
    """Implements `api.Leg`. Fields marked (sip) are touched on the SIP thread alone, the others on the loop alone."""

    __slots__ = (
        "_endpoint",
        "_receiver",
        "answered",
        "bridged",
        "bridged_until_s",
        "call",
        "call_id",
        "codec",
        "counted",
        "dialled",
        "hears",
        "id",
        "invite",
        "joined",
        "listeners",
        "news",
        "playing",
        "probe_at_s",
        "quiet_rx",
        "quiet_since_s",
        "recorded",
        "ringing",
        "state",
        "vanished",
    )

    def __init__(self, endpoint: SipEndpoint, leg_id: LegId, *, invite: Invite | None = None, dialled: Dial | None = None) -> None:
        self._endpoint = endpoint
        self._receiver: Callable[[Leg, News], None] | None = None
        self.id = leg_id
        self.call_id = invite.call_id if invite else ""
        self.invite = invite
        self.dialled = dialled
        self.state = LegState.INCOMING if invite else LegState.CALLING
        self.news: asyncio.Queue[News] = asyncio.Queue()
        self.call = -1  # (sip) pjsua's call id, -1 before and after
        self.answered = False  # (sip)
        self.ringing = False  # (sip)
        self.codec = ""  # (sip)
        self.counted: MediaStats | None = None  # (sip) the latest counters; the call's own are gone before its end is told
        self.vanished = False  # (sip)
        self.joined: SipLeg | None = None  # (sip)
        self.hears: SipLeg | None = None  # (sip) a speaker, one way
        self.listeners: list[SipLeg] = []  # (sip) those who hear it so
        self.bridged = False  # (sip) its audio is needed here: never forwarded
        self.recorded = False  # (sip) so it is while it is recorded
        self.playing = 0  # (sip) the playback it hears
        self.bridged_until_s = 0.0  # (sip) digits of ours are on their way: not forwarded until then
        self.quiet_rx, self.quiet_since_s, self.probe_at_s = 0, 0.0, 0.0  # (sip) watch for a vanished peer

    def __repr__(self) -> str:
        return f"<leg {self.id} {self.state}>"

    @property
    def emergency(self) -> bool:
        return bool(self.invite is not None and self.invite.service) or bool(self.dialled is not None and self.dialled.emergency)

    # ---- news ----------------------------------------------------------------------------------------------------

    def deliver_to(self, receiver: Callable[[Leg, News], None]) -> None:
        self._receiver = receiver
        while not self.news.empty():
            receiver(self, self.news.get_nowait())

    def tell(self, item: News) -> None:
        """On the loop: note the state the news brings and hand it on."""
        if isinstance(item, Progress) and item.code > 100 and self.state in {LegState.CALLING, LegState.EARLY}:
            self._enter(LegState.EARLY, item)
        elif isinstance(item, Answered):
            self._enter(LegState.CONFIRMED, item)
        elif isinstance(item, Ended):
            self._enter(LegState.ENDED, item)
        if self._receiver is not None:
            self._receiver(self, item)
        else:
            self.news.put_nowait(item)

    def _enter(self, state: LegState, item: News) -> None:
        if state is not self.state:
            log.debug("leg %s: %s -> %s by %s (%s)", self.id, self.state, state, type(item).__name__, self.call_id)
            self.state = state

    # ---- commands ------------------------------------------------------------------------------------------------

    def ring(self, code: int = 180) -> None:
        if self.state is LegState.INCOMING:
            self.state = LegState.EARLY
        self._endpoint.post(self._endpoint.do_answer, self, code, "", (), ())

    def answer(self, codecs: tuple[str, ...] = (), headers: tuple[tuple[str, str], ...] = ()) -> None:
        self._endpoint.post(self._endpoint.do_answer, self, 200, "", headers, codecs)

    def hangup(self, code: int = 0, reason: str = "", headers: tuple[tuple[str, str], ...] = ()) -> None:
        self._endpoint.post(self._endpoint.do_hangup, self, code, reason, headers)

    def hold(self) -> None:
        self._endpoint.post(self._endpoint.do_hold, self, True)

    def resume(self) -> None:
        self._endpoint.post(self._endpoint.do_hold, self, False)

    def send_digits(self, digits: str, method: str = "rfc4733", duration_ms: int = 160) -> None:
        self._endpoint.post(self._endpoint.do_digits, self, digits, method == "info", duration_ms)

    def refer(self, target_uri: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        self._endpoint.post(self._endpoint.do_refer, self, target_uri, headers)

    def accept_transfer(self, code: int = 202) -> None:
        self._endpoint.post(self._endpoint.do_refer_answer, self, code)

    def notify_transfer(self, code: int, reason: str, final: bool) -> None:
        self._endpoint.post(self._endpoint.do_refer_notify, self, code, reason, final)

    def play(self, sound: Sound, loop: bool = False) -> int:
        playback = self._endpoint.new_playback()
        self._endpoint.post(self._endpoint.media.play, self, sound, loop, playback)
        return playback

    def play_tone(self, name: str) -> None:
        self._endpoint.post(self._endpoint.media.tone, self, name)

    def stop_playing(self) -> None:
        self._endpoint.post(self._endpoint.media.stop, self)

    def record(self, rate: int = 8000) -> None:
        self._endpoint.post(self._endpoint.do_record, self, rate)

    def stop_recording(self) -> None:
        self._endpoint.post(self._endpoint.do_stop_recording, self)

    async def stats(self) -> MediaStats | None:
        return await self._endpoint.ask(self._endpoint.do_stats, self)
