"""The contract the rest of the code sees of the cellular modem: what is known of it, its call, its texts, and what can be asked of it.

Everything here is used from the asyncio loop; nothing waits. What became of a command shows in the next `view` and in the news.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from appliance.errors import HoldfastError


class CellularError(HoldfastError):
    """The modem cannot do what is asked."""

    code = "modem"


class ModemState(StrEnum):
    """How far the modem has come. HOME and ROAMING: on the network, but no call is possible; READY: calls are."""

    ABSENT = "absent"
    STARTING = "starting"
    NO_SIM = "no-sim"
    PIN_NEEDED = "pin-needed"
    PUK_NEEDED = "puk-needed"
    SEARCHING = "searching"
    DENIED = "denied"
    HOME = "home"
    ROAMING = "roaming"
    READY = "ready"


ON_NETWORK = frozenset({ModemState.HOME, ModemState.ROAMING, ModemState.READY})


class Fault(StrEnum):
    """Why there is no modem to talk to."""

    MISSING = "missing"  # no such port
    NO_PERMISSION = "no-permission"
    BUSY = "busy"  # another program has the port
    WRONG_PORT = "wrong-port"  # no serial port, or nothing on it that speaks AT
    UNPLUGGED = "unplugged"
    HUNG = "hung"  # it answered once, and no longer does
    UNKNOWN_MODEL = "unknown-model"


class CallState(StrEnum):
    """DIALLING -> ALERTING -> ACTIVE, or INCOMING -> ACTIVE; ENDED can follow any."""

    DIALLING = "dialling"
    ALERTING = "alerting"
    INCOMING = "incoming"
    ACTIVE = "active"
    ENDED = "ended"


class End(StrEnum):
    """Why a call is over."""

    HUNG_UP = "hung-up"  # by the box
    FAR_END = "far-end"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    REFUSED = "refused"  # by the modem or the network
    MODEM_LOST = "modem-lost"


class TextState(StrEnum):
    """QUEUED -> SENDING -> SENT or FAILED; SENDING -> QUEUED where it is tried again."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class CallView:
    """The modem's call. `number` "": withheld, or not known yet. `taken`: the modem said that it dials. `end` and `reason` once it is over."""

    id: int
    number: str
    outgoing: bool
    state: CallState
    taken: bool = False
    end: End | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TextView:
    """A text on its way. `sent`: how many of `parts` the network took. `reason`: why it failed."""

    id: int
    number: str
    parts: int
    sent: int
    state: TextState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ModemView:
    """All that is known of the modem. `signal_dbm` None: not known. `network`: "2G", "3G", "4G", "5G" or "". `volte`: calls go over the data network.

    `since_s`: monotonic, when `state` or `fault` last changed. `audio_fault`: what is wrong with the port the sound comes over. `mute`: the modem refused
    its last call's sound. `card_open`: the SIM card asks for no PIN.
    """

    state: ModemState = ModemState.ABSENT
    fault: Fault | None = None
    since_s: float = 0.0
    maker: str = ""
    model: str = ""
    imei: str = ""
    imsi: str = ""
    operator: str = ""
    network: str = ""
    roaming: bool = False
    signal_dbm: int | None = None
    volte: bool = False
    call: CallView | None = None
    texts: tuple[TextView, ...] = ()
    audio_fault: Fault | None = None
    mute: bool = False
    card_open: bool = False


@dataclass(frozen=True, slots=True)
class ModemChanged:
    """`state` or `fault` is another."""

    view: ModemView


@dataclass(frozen=True, slots=True)
class CallChanged:
    call: CallView


@dataclass(frozen=True, slots=True)
class TextChanged:
    text: TextView


@dataclass(frozen=True, slots=True)
class PinSpared:
    """The PIN that was entered last never reached the SIM card: it costs none of its tries."""


News = ModemChanged | CallChanged | TextChanged | PinSpared


class Cellular(Protocol):
    """One modem. Commands raise CellularError where it is in no state to do them.

    `sound` is told the file descriptor a call's sound comes and goes over (16 bit, 8000 samples a second, one channel; it does not block, and is the
    modem's: take a duplicate), and None when the call has sound no more.
    """

    sound: Callable[[int | None], None] | None

    @property
    def view(self) -> ModemView: ...

    def subscribe(self, told: Callable[[News], None]) -> None: ...

    def dial(self, number: str, *, emergency: bool = False) -> CallView:
        """Begin a call. `emergency`: also without a SIM card or a network of its own, as every mobile network takes such a call."""

    def answer(self) -> None: ...

    def hang_up(self) -> None: ...

    def tones(self, digits: str) -> None: ...

    def sound_failed(self) -> None:
        """What `sound` was told cannot be read or written any more."""

    def enter_pin(self, pin: str) -> None:
        """Unlock the SIM card: once, for it locks itself for good after three wrong ones. Whether it was right shows in the state."""

    def send_text(self, number: str, text: str) -> TextView: ...
