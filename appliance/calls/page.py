"""A page: free phones pick up by themselves and hear one caller, or a sound. They do not speak, and nobody is taken out of a call for it."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from appliance.calls.caller import Caller
from appliance.calls.dials import Calling, to_extension
from appliance.calls.plan import Branch
from appliance.calls.program import Paged, Port, Program
from appliance.calls.route import ToExtension, View
from appliance.sip.api import Answered, Dial, Ended, Leg, News, PlaybackEnded, Sound, TransferRequested
from appliance.site.snapshot import Snapshot
from appliance.types import DeviceId, LegId

log = logging.getLogger(__name__)

MOST_PHONES = 100
"""Of one page: what the bridge of a small box mixes without a crackle in anybody's call."""
SPARE_LEGS = 60
"""Left to ordinary calls beside those that are kept for emergencies: a page takes what is over."""
WAVE, WAVE_S = 8, 0.06
"""INVITEs at once and between: the SIP thread takes other people's calls, an emergency first of all, in between."""
PICK_UP_S = 6.0
"""A phone that has not picked up by itself by then never will; it stops ringing."""
NARROW = ("pcmu", "pcma")
"""Offered first: the bridge is no wider, and coding for a hundred phones costs."""
SORRY_S = 2.0
GATHER_S = 2.5
"""The signal to speak, and a sound, begin when every phone is there, at the latest then."""


def auto_answer(realm: str) -> tuple[tuple[str, str], ...]:
    """What desk phones take as "pick up by yourself": each family knows one of these (RFC 3261 sections 20.4 and 20.9, RFC 5373)."""
    here = f"<sip:{realm}>"
    return (
        ("Call-Info", f"{here};answer-after=0"),
        ("Alert-Info", f"{here};info=alert-autoanswer;delay=0"),
        ("Alert-Info", f'{here};info="Ring Answer"'),
        ("Answer-Mode", "Auto"),
    )


def branches(paged: Paged, caller: Caller, snapshot: Snapshot, view: View, without: Iterable[DeviceId] = ()) -> tuple[Branch, ...]:
    """An INVITE for every contact of every phone that is registered and free; a phone is free that is in no call and rings for none."""
    out = frozenset(without)
    if paged.group is not None:
        group = snapshot.groups.get(paged.group)
        devices = group.devices if group is not None else ()
    elif paged.devices is not None:
        devices = paged.devices
    else:
        devices = tuple(entry.id for entry in snapshot.devices.values() if entry.enabled)
    targets = tuple(target for device in devices if device not in out and not view.engaged(device) for target in view.targets(device))
    calling = Calling(caller, NARROW, auto_answer(snapshot.realm))
    (stage,) = to_extension(ToExtension("", "", targets, PICK_UP_S), calling, snapshot).stages
    return stage.branches


def paging(paged: Paged, limit_s: float) -> Program:
    """For a caller who is there already: what they say is heard by `paged`, until they hang up, press # or `limit_s` is over."""

    async def program(port: Port) -> None:
        if not await port.page(paged, limit_s):
            port.note("page: no phone was free")
            await port.tone("congestion", SORRY_S)
        port.hang_up()

    return program


class Owner(Protocol):
    """The call that a page belongs to."""

    call_id: str

    def page_leg(self, request: Dial) -> Leg | None: ...

    def release(self, leg: Leg, code: int = 0, reason: str = "", headers: tuple[tuple[str, str], ...] = ()) -> None: ...

    def page_began(self) -> None:
        """Every phone there is listens now."""

    def page_over(self, reached: int) -> None:
        """No phone listens any more, or the sound was played; `reached` phones have heard it."""


class _State(StrEnum):
    """CALLED -> LISTENS -> GONE; GONE can follow any."""

    CALLED = "called"
    LISTENS = "listens"
    GONE = "gone"


@dataclass(slots=True)
class _Phone:
    leg: Leg
    device: DeviceId | None
    until: float
    state: _State = _State.CALLED
    playback: int = 0


class Page:
    """`source`: the caller's leg, or what is played. `until`: loop time of its end at the latest. `deadline`: when `tick` wants to be called."""

    def __init__(
        self,
        owner: Owner,
        wanted: tuple[Branch, ...],
        source: Leg | Sound,
        until: float,
        *,
        listen: Callable[[Leg, Leg], None],
        free_legs: Callable[[], int],
        engaged: Callable[[DeviceId], bool],
        now: Callable[[], float],
    ) -> None:
        self._owner, self._source, self._until = owner, source, until
        self._listen, self._free_legs, self._engaged, self._now = listen, free_legs, engaged, now
        self._wanted = deque(wanted[:MOST_PHONES])
        self._phones: dict[LegId, _Phone] = {}
        self._began = self._gathered = False
        self._gathered_by = now() + GATHER_S
        self._next_wave = now()
        self.reached = 0
        self.over = False
        if len(wanted) > MOST_PHONES:
            log.warning("page %s: %d phones, more than the %d one page reaches", owner.call_id, len(wanted), MOST_PHONES)

    @property
    def deadline(self) -> float | None:
        if self.over:
            return None
        times = [self._until, *(phone.until for phone in self._phones.values() if phone.state is _State.CALLED)]
        if self._wanted:
            times.append(self._next_wave)
        if not self._gathered:
            times.append(self._gathered_by)
        return min(times)

    def start(self) -> None:
        self.tick()

    def tick(self) -> None:
        """Time passed."""
        now = self._now()
        if self.over:
            return
        if now >= self._until:
            self.stop()
            return
        if self._wanted and now >= self._next_wave:
            self._call_some(now)
        if now >= self._gathered_by and not self._gathered:
            self._gathered = True
            if self._wanted:
                log.warning("page %s: no leg was free for %d phones", self._owner.call_id, len(self._wanted))
                self._wanted.clear()
        for phone in self._phones.values():
            if phone.state is _State.CALLED and now >= phone.until:
                self._let_go(phone, "does not pick up by itself")
        self._look()

    def owns(self, leg: Leg) -> bool:
        return leg.id in self._phones

    def news(self, leg: Leg, news: News) -> None:
        phone = self._phones[leg.id]
        match news:
            case Answered() if phone.state is _State.CALLED and not self.over:
                self._move(phone, "picked up", _State.LISTENS)
                self.reached += 1
                self._serve(phone)
            case Answered():
                leg.hangup()  # its 200 crossed our CANCEL
            case Ended():
                self._move(phone, f"ended {news.code}", _State.GONE)
            case PlaybackEnded(playback) if playback == phone.playback:
                self._let_go(phone, "heard it all")
            case TransferRequested():
                leg.accept_transfer(403)
        self._look()

    def devices(self) -> list[DeviceId]:
        """The phones that ring for it or listen now."""
        return [phone.device for phone in self._phones.values() if phone.device is not None and phone.state is not _State.GONE]

    def let_go(self, device: DeviceId) -> None:
        """This phone is needed for an emergency: it is out at once, and not called any more."""
        self._wanted = deque(branch for branch in self._wanted if branch.device != device)
        for phone in self._phones.values():
            if phone.device == device:
                self._let_go(phone, "needed for an emergency")
        self._look()

    def stop(self) -> None:
        """It is over: every phone is released."""
        self._wanted.clear()
        for phone in self._phones.values():
            self._let_go(phone, "the page is over")
        self._look()

    def _call_some(self, now: float) -> None:
        self._next_wave = now + WAVE_S
        for _ in range(min(WAVE, len(self._wanted), max(0, self._free_legs() - SPARE_LEGS))):
            branch = self._wanted.popleft()
            if branch.device is not None and self._engaged(branch.device):
                continue  # it took a call meanwhile
            leg = self._owner.page_leg(branch.dial)
            if leg is not None:
                self._phones[leg.id] = _Phone(leg, branch.device, now + PICK_UP_S)

    def _serve(self, phone: _Phone) -> None:
        if not isinstance(self._source, Sound):
            self._listen(self._source, phone.leg)
        elif self._began:
            phone.playback = phone.leg.play(self._source)

    def _look(self) -> None:
        """Whether it can begin, or is over."""
        if self.over:
            return
        phones = [phone for phone in self._phones.values() if phone.state is not _State.GONE]
        listening = [phone for phone in phones if phone.state is _State.LISTENS]
        all_there = not self._wanted and len(listening) == len(phones)
        if not self._began and listening and (all_there or self._gathered):
            self._began = self._gathered = True
            self._owner.page_began()
            for phone in listening:
                if isinstance(self._source, Sound):
                    self._serve(phone)
        if not phones and not self._wanted:
            self.over = True
            self._owner.page_over(self.reached)

    def _let_go(self, phone: _Phone, why: str) -> None:
        if phone.state is not _State.GONE:
            self._move(phone, why, _State.GONE)
            self._owner.release(phone.leg)

    def _move(self, phone: _Phone, event: str, new: _State) -> None:
        if phone.state is not new:
            log.debug("page %s, phone %s: %s -> %s -> %s", self._owner.call_id, phone.device, phone.state, event, new)
            phone.state = new
