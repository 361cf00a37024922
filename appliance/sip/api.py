"""The contract the rest of the code sees of SIP: Endpoint, Leg, join/part, and the news they give.

Everything here is used from the asyncio loop. Commands return at once (they are posted to the SIP thread); what became of them arrives as news on
`Leg.news` in the order it happened. Nothing in this file imports pjsua2.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from appliance.sound import Sound as Sound  # noqa: PLC0414 - part of this contract
from appliance.types import Address, DeviceId, LegId, TrunkId


class LegState(StrEnum):
    """NEW -> (CALLING | INCOMING) -> EARLY -> CONFIRMED -> ENDED; ENDED can follow any."""

    NEW = "new"
    CALLING = "calling"
    INCOMING = "incoming"
    EARLY = "early"
    CONFIRMED = "confirmed"
    ENDED = "ended"


class Origin(StrEnum):
    """Who sent an INVITE, as admission found."""

    DEVICE = "device"
    TRUNK = "trunk"
    UNKNOWN = "unknown"  # admitted only because it is an emergency call


@dataclass(frozen=True, slots=True)
class Invite:
    """An INVITE that admission let in. `service` is the emergency service it asks for (`911`, `urn:service:sos.fire`), else ""."""

    leg: LegId
    call_id: str
    uri: str
    uri_user: str
    from_uri: str
    from_user: str
    from_display: str
    to_user: str
    source: Address
    local: Address
    origin: Origin
    device: DeviceId | None = None
    trunk: TrunkId | None = None
    service: str = ""
    test_call: bool = False
    codecs: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    """P-Asserted-Identity, P-Preferred-Identity, Privacy, Diversion, Geolocation, Priority, User-Agent, Alert-Info, Referred-By; present ones only."""
    location: bytes = b""
    """The phone's own PIDF-LO body part, if it sent one."""


# ---- news of a leg -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Progress:
    """A provisional answer (1xx) on an outgoing leg. `early_media`: it carried SDP and media runs."""

    code: int
    early_media: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """The leg is confirmed (2xx and, inbound, ACK)."""

    code: int = 200


@dataclass(frozen=True, slots=True)
class Ended:
    """The leg is gone; the last news of any leg. `code` is the final status or, after an answer, 200; `local` says we ended it.

    `cause`: why a person would say so: "normal", "busy", "no-answer", "declined", "unreachable", "answered-elsewhere", "cancelled",
    "timeout", "vanished", "refused", "error".
    """

    code: int
    reason: str = ""
    local: bool = False
    cause: str = "normal"
    retry_after: int = 0


@dataclass(frozen=True, slots=True)
class MediaChanged:
    """Media came up or changed; `codec` "t38" while a fax passes. `held_by_peer`: the far end put us on hold (sendonly/inactive/0.0.0.0)."""

    active: bool
    held_by_peer: bool = False
    codec: str = ""


@dataclass(frozen=True, slots=True)
class Digit:
    """One DTMF digit, `0-9*#A-D`, by RFC 4733 or INFO; duration in milliseconds."""

    digit: str
    duration_ms: int = 100
    method: str = "rfc4733"


@dataclass(frozen=True, slots=True)
class TransferRequested:
    """REFER (RFC 3515). `replaces` is the Replaces value of an attended transfer ("call-id;to-tag=..;from-tag=.."), else ""."""

    target_uri: str
    target_user: str
    replaces: str = ""


@dataclass(frozen=True, slots=True)
class TransferProgress:
    """What became of a REFER we sent: the sipfrag status."""

    code: int
    final: bool


@dataclass(frozen=True, slots=True)
class PlaybackEnded:
    """A sound started with `Leg.play` reached its end, or could not be played (never sent for a looped or a stopped one)."""

    playback: int


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a leg's far end said since the last of these: 16-bit little-endian mono at the rate asked for. `level`: RMS, 0 to 32767.

    `lost_ms`: sound missing before this piece because it was not fetched in time. `last`: recording has ended, by `stop_recording` or with the leg.
    """

    pcm: bytes
    level: int
    lost_ms: int = 0
    last: bool = False


News = Progress | Answered | Ended | MediaChanged | Digit | TransferRequested | TransferProgress | PlaybackEnded | Recorded


# ---- what can be done --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Dial:
    """An outgoing INVITE. URIs hold IP literals or names the name cache knows; nothing is resolved on the SIP thread.

    `target` is the Request-URI, `destination` where it is really sent ("" = target). `account` names the sender: a LAN address
    (`Address`: the box's own local address the call leaves from) or a trunk. `codecs`: preferred order, first first.
    """

    target: str
    account: Address | TrunkId
    from_uri: str
    from_display: str = ""
    to_uri: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    codecs: tuple[str, ...] = ()
    parts: tuple[BodyPart, ...] = ()
    emergency: bool = False
    """May use the reserved legs."""
    answer_timeout_s: float = 0.0
    """0: the caller of `dial` sets its own deadline and hangs up."""
    destination: str = ""
    """A SIP URI; the address a phone behind NAT registered from, say."""


@dataclass(frozen=True, slots=True)
class BodyPart:
    """A body part beside the SDP; with one or more, the INVITE is multipart/mixed (RFC 2046, RFC 5621)."""

    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class MediaStats:
    """Counters of one leg's audio since it began. `rx`: from the far end, as we count; `tx`: to it, as it reports by RTCP (`reported` False: it never did).

    `rx_lost` packets are missing, in `rx_bursts` places. Of the first `tx_of` packets to it `tx_lost` did not arrive; `tx_gaps` more were missing before they
    came to us. `rtt_ms` 0: not known. `gap_s`: the longest time without a packet of the far end, `hole_s`: the longest in which packets were missing (not
    merely late, or held back by a phone that is muted), `silent_s`: the present one; none of it while one side holds.
    """

    codec: str
    rx_packets: int
    rx_lost: int
    rx_jitter_ms: float
    tx_packets: int
    tx_lost: int
    tx_jitter_ms: float
    rtt_ms: float
    forwarded: bool
    rx_bursts: int = 0
    tx_of: int = 0
    tx_gaps: int = 0
    reported: bool = False
    gap_s: float = 0.0
    hole_s: float = 0.0
    silent_s: float = 0.0


@dataclass(frozen=True, slots=True)
class TextMessage:
    """A SIP MESSAGE (RFC 3428) of one of our devices, answered 202 already. `to_user`: whom it is for, as dialled."""

    device: DeviceId
    to_user: str
    text: str
    source: Address
    local: Address
    call_id: str


class Leg(Protocol):
    """One SIP dialog. Methods may be called in any state; what no longer makes sense is ignored, never raised."""

    id: LegId
    call_id: str
    invite: Invite | None
    state: LegState
    news: asyncio.Queue[News]

    def deliver_to(self, receiver: Callable[[Leg, News], None]) -> None:
        """Hand all further news to `receiver` (on the loop) instead of `news`; what already waits there is handed over at once, in order."""

    def ring(self, code: int = 180) -> None:
        """Provisional answer on an incoming leg; 183 brings up early media."""

    def answer(self, codecs: tuple[str, ...] = (), headers: tuple[tuple[str, str], ...] = ()) -> None:
        """200 OK on an incoming leg, preferring these codecs of the caller's offer."""

    def hangup(self, code: int = 0, reason: str = "", headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Reject, CANCEL or BYE, whichever the state asks for. 0: 603/CANCEL/BYE. A `Reason` header (RFC 3326) goes in `headers`."""

    def hold(self) -> None:
        """re-INVITE sendonly."""

    def resume(self) -> None:
        """re-INVITE sendrecv."""

    def send_digits(self, digits: str, method: str = "rfc4733", duration_ms: int = 160) -> None:
        """DTMF to the far end; `method` "rfc4733" or "info"."""

    def refer(self, target_uri: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """REFER to the far end (RFC 3515); progress arrives as TransferProgress."""

    def accept_transfer(self, code: int = 202) -> None:
        """Answer a TransferRequested (2xx accepts; 4xx refuses)."""

    def notify_transfer(self, code: int, reason: str, final: bool) -> None:
        """NOTIFY with a sipfrag (RFC 3515 section 2.4.5) to the far end that sent REFER."""

    def play(self, sound: Sound, loop: bool = False) -> int:
        """Play to the far end, from when media is up; returns the id its PlaybackEnded will have. Stops what played before, a tone as well."""

    def play_tone(self, name: str) -> None:
        """A call-progress tone to the far end until stopped: "ringback", "busy", "congestion", "hold", "beep" (once)."""

    def stop_playing(self) -> None: ...

    def record(self, rate: int = 8000) -> None:
        """Bring what the far end says as Recorded news, a few a second, until `stop_recording` or the end of the leg; then one with `last`.

        Begins when media is up; a second call ends the first recording. `rate`: 8000 to 48000, divisible by 50. A joined leg goes through the bridge meanwhile.
        """

    def stop_recording(self) -> None: ...

    async def stats(self) -> MediaStats | None:
        """Counters now, or at its end; None when there was no media."""


class Endpoint(Protocol):
    """The box's SIP side."""

    invites: asyncio.Queue[Leg]
    """Incoming legs that admission let in, emergencies first; `leg.invite` is set."""
    messages: asyncio.Queue[TextMessage]
    """Text messages that admission let in; the oldest are dropped when nobody fetches them."""

    def dial(self, request: Dial) -> Leg:
        """Send an INVITE; the leg exists at once, its fate comes as news. Raises SipError when no leg is free."""

    def join(self, a: Leg, b: Leg) -> None:
        """Let two legs hear each other, by RTP forwarding where codec and packet time agree, else through the bridge; follows every re-INVITE by itself."""

    def part(self, a: Leg, b: Leg) -> None:
        """Undo `join`."""

    def listen(self, speaker: Leg, listener: Leg) -> None:
        """Let `listener` hear `speaker`, who does not hear it, until one of them ends. Neither may be joined."""

    def forwarding(self, allowed: bool, *legs: Leg) -> None:
        """Switch joined legs between forwarding and the bridge without a break (recording or listening-in needs the bridge)."""

    async def options(self, target: str, account: Address | TrunkId, timeout_s: float = 4.0) -> int:
        """OPTIONS to a peer; its status code, 408 when silent."""

    async def request(
        self,
        method: str,
        target: str,
        account: Address | TrunkId,
        headers: tuple[tuple[str, str], ...] = (),
        body: bytes = b"",
        content_type: str = "",
        timeout_s: float = 32.0,
        from_uri: str = "",
        to_uri: str = "",
    ) -> int:
        """Send a non-INVITE request of our own (NOTIFY, MESSAGE); returns the final status, 408 when silent.

        `from_uri` "": the box itself; `to_uri` "": the target.
        """

    async def all_stats(self) -> Mapping[LegId, MediaStats]:
        """The counters of every answered leg, in one look."""

    def free_legs(self) -> int:
        """Legs an ordinary call may still take (the emergency reserve is not counted)."""
