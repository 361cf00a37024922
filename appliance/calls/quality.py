"""How a call sounds: what each side sends and hears as scores, and what is wrong with it, who suffers, and what to do (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from appliance.sip.api import MediaStats
from appliance.sip.mos import burst_ratio, score
from appliance.types import LegId

POOR = 3.6
"""Below this many users are dissatisfied (R 70, G.107 Annex B)."""
LOSS, JITTER_MS, ONE_WAY_MS = 0.02, 40.0, 250.0
"""From here on a way is named as what is wrong. One way: G.114 has 150 ms as good and 400 as the limit."""
NOTHING_S, SILENCE_S = 3.0, 10.0
"""Who never sent a packet is silent after the first, who stopped to send after the second: some phones send nothing while they are muted."""
HOLE_S = 5.0
"""Packets that are missing for so long in the middle of a call: nothing was heard meanwhile."""
FEW = 50
"""Packets, one second: with fewer nothing is judged."""
BOX = "the box"
MODEM_CODEC = "pcm"
"""What `sip.line` says of the sound of a modem's leg."""
_NOTHING = MediaStats("", 0, 0, 0.0, 0, 0, 0.0, 0.0, False)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two that talk, as the call knows it. `side`: "caller" or "called"; `line`: it is outside, reached over a trunk."""

    side: str
    name: str
    line: bool
    codec: str
    leg: LegId
    stats: MediaStats = _NOTHING

    def with_stats(self, stats: MediaStats) -> Side:
        return replace(self, stats=stats, codec=stats.codec or self.codec)


@dataclass(frozen=True, slots=True)
class Way:
    """One way of one side, between it and the box. None: not known, as the far end sends no receiver reports."""

    packets: int
    lost_percent: float | None
    jitter_ms: float | None
    score: float | None


@dataclass(frozen=True, slots=True)
class SideQuality:
    """`sends`: from it to the box; `gets`: from the box to it. `hears_*`: all that it heard of the other side, over both networks.

    `rtt_ms` None: not known. `gap_s`: the longest time without a packet of it. `forwarded`: its packets were passed on as they came.
    """

    side: str
    name: str
    line: bool
    codec: str
    sends: Way
    gets: Way
    rtt_ms: float | None
    gap_s: float
    hears_lost_percent: float | None
    hears_score: float | None
    forwarded: bool


@dataclass(frozen=True, slots=True)
class SoundFinding:
    """`code`: "one-way", "loss", "jitter" or "delay": what `listener` suffers from `speaker`. `side`: on whose side of the box it happens ("": not known).

    `value`: seconds, per cent, ms, ms. `line`: that side is a line to outside. `cause` and `cure` are sentences without their full stop.
    """

    code: str
    listener: str
    speaker: str
    side: str
    line: bool
    value: float
    cause: str
    cure: str


@dataclass(frozen=True, slots=True)
class Quality:
    """`score`: of whoever hears worst, None where nothing is known. `bad`: somebody complains about such a call."""

    score: float | None
    bad: bool
    sides: tuple[SideQuality, ...] = ()
    findings: tuple[SoundFinding, ...] = field(default=())


def judge(sides: Sequence[Side]) -> Quality | None:
    """The sound of a call between one or two sides (one: it talks to the box itself); None before anything is known."""
    if not any(side.stats.rx_packets + side.stats.tx_packets for side in sides):
        return None
    judged, findings = [], []
    for index, side in enumerate(sides):
        other = sides[1 - index] if len(sides) == 2 else None
        judged.append(_side(side, other))
        findings += _findings(side, other)
    if len(sides) == 1:  # what the box hears
        findings += _findings(None, sides[0])
    silent = any(finding.code == "one-way" for finding in findings)
    scores = [1.0] if silent else [each for side in judged for each in (side.hears_score, side.sends.score if len(sides) == 1 else None) if each is not None]
    worst = min(scores, default=None)
    return Quality(worst, bool(findings) or (worst is not None and worst < POOR), tuple(judged), tuple(findings))


def silence_s(stats: MediaStats) -> float:
    """How long nothing came that should have; 0 where nothing is amiss."""
    if stats.silent_s >= (SILENCE_S if stats.rx_packets else NOTHING_S):
        return max(stats.silent_s, stats.hole_s)
    return stats.hole_s if stats.hole_s >= HOLE_S else 0.0


def sent_lost(stats: MediaStats) -> float:
    """Share of what a side sent that did not come to the box."""
    whole = stats.rx_packets + stats.rx_lost
    return stats.rx_lost / whole if whole else 0.0


def got_lost(stats: MediaStats) -> float | None:
    """Share of what the box sent to a side that did not come there, by its reports."""
    return min(1.0, stats.tx_lost / stats.tx_of) if stats.reported and stats.tx_of else None


def _side(side: Side, other: Side | None) -> SideQuality:
    stats, lost, got = side.stats, sent_lost(side.stats), got_lost(side.stats)
    one_way_ms = stats.rtt_ms / 2
    burst = burst_ratio(stats.rx_lost, stats.rx_bursts, lost)
    sends = Way(
        stats.rx_packets, 100 * lost if stats.rx_packets else None, stats.rx_jitter_ms if stats.rx_packets else None,
        score(side.codec, lost, stats.rx_jitter_ms, one_way_ms, burst) if stats.rx_packets >= FEW else None,
    )  # fmt: skip
    gets = Way(
        stats.tx_packets, None if got is None else 100 * got, stats.tx_jitter_ms if stats.reported else None,
        None if got is None or stats.tx_of < FEW else score(side.codec, got, stats.tx_jitter_ms, one_way_ms),
    )  # fmt: skip
    heard, heard_score = _heard(side, other)
    return SideQuality(
        side.side, side.name, side.line, side.codec, sends, gets, stats.rtt_ms or None, max(stats.gap_s, silence_s(stats)),
        None if heard is None else 100 * heard, heard_score, stats.forwarded,
    )  # fmt: skip


def _heard(side: Side, other: Side | None) -> tuple[float | None, float | None]:
    """Share and score of what `side` heard of `other` (None: of the box). Where it reports nothing, of the way to the box."""
    own = got_lost(side.stats)
    far, burst = (sent_lost(other.stats), burst_ratio(other.stats.rx_lost, other.stats.rx_bursts, sent_lost(other.stats))) if other is not None else (0.0, 1.0)
    if other is not None and not other.stats.rx_packets:
        return None, None
    if (own is None and other is None) or side.stats.tx_packets < FEW:
        return None, None
    lost = 1.0 - (1.0 - far) * (1.0 - (own or 0.0))
    jitter_ms = max(side.stats.tx_jitter_ms, other.stats.rx_jitter_ms if other is not None else 0.0)
    one_way_ms = (side.stats.rtt_ms + (other.stats.rtt_ms if other is not None else 0.0)) / 2
    return lost, score(other.codec if other is not None else side.codec, lost, jitter_ms, one_way_ms, burst)


def _findings(listener: Side | None, speaker: Side | None) -> list[SoundFinding]:
    """What is wrong with what `listener` hears of `speaker`; None: the box itself."""
    who, whom = listener.name if listener else BOX, speaker.name if speaker else BOX
    found: list[SoundFinding] = []

    def tell(code: str, at: Side, value: float, cause: str, cure: str) -> None:
        found.append(SoundFinding(code, who, whom, at.side, at.line, value, cause, cure))

    if speaker is not None and (silent_s := silence_s(speaker.stats)):
        never = not speaker.stats.rx_packets
        cause = f"{_first(who)} heard nothing: no packets came from {whom} for {silent_s:.0f} s"
        tell("one-way", speaker, silent_s, cause, _cure_one_way(speaker, never=never))
        return found
    far, own = sent_lost(speaker.stats) if speaker is not None else 0.0, (got_lost(listener.stats) or 0.0) if listener is not None else 0.0
    lost = 1.0 - (1.0 - far) * (1.0 - own)
    at = speaker if speaker is not None and (far >= own or listener is None) else listener
    if at is None:
        return found
    if lost >= LOSS and (at.stats.rx_packets if at is speaker else at.stats.tx_of) >= FEW:
        cause = f"{_first(who)} lost {100 * lost:.0f} % of what {whom} said, {_between(at)}"
        tell("loss", at, 100 * lost, cause, _cure_network(at))
    ways = [(speaker.stats.rx_jitter_ms, speaker)] if speaker is not None else []
    ways += [(listener.stats.tx_jitter_ms, listener)] if listener is not None else []
    jitter_ms, at = max(ways, key=lambda way: way[0])
    if jitter_ms >= JITTER_MS:
        tell("jitter", at, jitter_ms, f"What {whom} said came to {who} unevenly ({jitter_ms:.0f} ms), {_between(at)}", _cure_network(at))
    sides = [each for each in (speaker, listener) if each is not None]
    one_way_ms = sum(each.stats.rtt_ms for each in sides) / 2
    if one_way_ms >= ONE_WAY_MS:
        slow = max(sides, key=lambda each: each.stats.rtt_ms)
        tell("delay", slow, one_way_ms, f"What {whom} said took {one_way_ms:.0f} ms to {who}, {_between(slow)}", _cure_network(slow))
    return found


def _first(name: str) -> str:
    return name[:1].upper() + name[1:]


def _between(at: Side) -> str:
    return f"on the line to {at.name}" if at.line else f"between {at.name} and the box"


def _cure_one_way(speaker: Side, *, never: bool) -> str:
    if speaker.codec == MODEM_CODEC:
        return "Compare the modem's second port, which carries its sound, with its maker's manual; then start the box again"
    if speaker.line:
        return "Let UDP packets from the carrier pass the firewall to the box's RTP ports, and set the box's outside address if it stands behind NAT"
    if never:
        return f"Set the address of the phone {speaker.name} as its network has it (no STUN, no outside address), and let its UDP packets pass to the box"
    return f"Check the cable, the Wi-Fi or the switch port of the phone {speaker.name}: it worked before it fell silent"


def _cure_network(at: Side) -> str:
    if at.line:
        return "Give voice precedence over other traffic on the internet line, and ask the carrier or provider if it is lost beyond it"
    return f"Swap the cable and the switch port of the phone {at.name}; take it off Wi-Fi"
