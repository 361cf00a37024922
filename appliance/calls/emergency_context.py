"""What emergency calls are given from outside, and how a call-back number becomes somebody to ring."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from appliance.calls.route import CallBack, Target
from appliance.emergency.callback import CallbackMap, CallbackTarget
from appliance.emergency.journal import Written
from appliance.emergency.location import LocationTable
from appliance.emergency.notify import NoticeRegister
from appliance.emergency.recognise import Recogniser
from appliance.state.clock import Moment
from appliance.state.records import CallbackRecord
from appliance.types import Address, TrunkId


class JournalLike(Protocol):
    """The journal as calls use it (`appliance.emergency.journal.Journal`)."""

    def append(self, entry: dict[str, Any]) -> Future[Written]: ...

    async def write(self, entry: dict[str, Any]) -> Written: ...


@dataclass(frozen=True, slots=True)
class EmergencyContext:
    """The injected parts. All callables return at once; whatever they raise is logged and costs the call a detail, never the call."""

    recogniser: Callable[[], Recogniser]
    locations: Callable[[], LocationTable]
    """Both of the revision in force."""
    callbacks: CallbackMap
    store_callback: Callable[[CallbackRecord], None]
    """Queues the record for the disk."""
    journal: JournalLike
    notices: NoticeRegister
    moment: Callable[[], Moment]
    rank: Callable[[TrunkId], int]
    """How promising a way is now, 0 is best: it orders the paths and excludes none."""
    last_good: Callable[[], str]
    """The trunk that carried the last call to an emergency centre, "" for none."""
    worked: Callable[[TrunkId], None]
    """This trunk reached one now."""
    begun: Callable[[], None] = lambda: None
    """An emergency call, no test, was taken: said before its INVITE leaves."""
    modem: Callable[[], bool] = lambda: False
    """Whether the box has a modem."""


def call_back_of(found: CallbackTarget | None, account: Callable[[str], Address]) -> CallBack | None:
    """A window of the callback map as routing wants it. `account`: our own address from which a contact URI is reached."""
    if found is None:
        return None
    contact = Target(found.target, account(found.target), None) if found.target and found.device is None else None
    return CallBack(found.elin, found.device, contact)


def source_uri(source: Address) -> str:
    """Where a phone that nobody knows can be called back: the address its INVITE came from."""
    host = f"[{source.ip}]" if ":" in source.ip else source.ip
    return f"sip:{host}:{source.port};transport={source.transport}"
