"""How a stream sounds, as a number from 1 to 5: the E-model of ITU-T G.107 in the simplified form for telephony over packets (pure).

R = 93.2 - Id - Ie,eff (G.107 with its default values), where

- Ie,eff = Ie + (95 - Ie) * Ppl / (Ppl / BurstR + Bpl) (G.107, equation 7-29): what the codec takes away, and what lost packets do (Ppl in per cent);
- Id = 0.024 d + 0.11 (d - 177.3) H(d - 177.3): what d ms from mouth to ear do (R. G. Cole, J. H. Rosenbluth: Voice over IP Performance Monitoring, ACM
  SIGCOMM CCR 31/2, 2001: G.107's delay impairment without echo, fitted).

R becomes a mean opinion score by G.107 Annex B. All codecs are put on the narrow-band scale, whose best is 4.4, so that calls compare.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

R0 = 93.2
BUFFER_MS = 100.0
"""What comes later than this after its turn is taken for lost by phones; an assumption, as every phone has a jitter buffer of its own."""
PACKET_MS = 20.0
LEAST_BUFFER_MS = 20.0


@dataclass(frozen=True, slots=True)
class Codec:
    """`ie`: equipment impairment factor; `bpl`: packet-loss robustness factor."""

    ie: float
    bpl: float


_G711 = Codec(0.0, 25.1)
"""G.113 Appendix I: G.711 with packet loss concealment (its Appendix I), random loss: Ie 0, Bpl 25.1. Phones and pjmedia conceal."""
CODECS = {
    "pcmu": _G711,
    "pcma": _G711,
    # G.113 has values for G.722 on the wide-band scale alone (Appendix IV: Ie,wb 13 of 129 at 64 kbit/s, above any narrow-band codec), so that it loses
    # nothing on this one. Its concealment (G.722 Appendix IV) repeats pitch periods as that of G.711 does: the same Bpl is assumed.
    "g722": Codec(0.0, 25.1),
    # The ITU-T has published none for opus: no loss of its own on this scale is assumed as for G.722, and with its concealment no less than G.711's.
    "opus": Codec(0.0, 25.1),
}


def rating(codec: str, lost: float, jitter_ms: float = 0.0, one_way_ms: float = 0.0, burst: float = 1.0) -> float:
    """R, 0 to 93.2. `lost`: share of packets, 0 to 1. `one_way_ms`: on the network. `burst`: BurstR, mean length of bursts against that of random loss."""
    values = CODECS.get(codec.lower(), _G711)
    late = math.exp(-BUFFER_MS / jitter_ms) if jitter_ms > 0 else 0.0
    per_cent = 100.0 * min(1.0, lost + (1.0 - lost) * late)
    equipment = values.ie + (95.0 - values.ie) * per_cent / (per_cent / max(1.0, burst) + values.bpl)
    delay_ms = one_way_ms + PACKET_MS + max(LEAST_BUFFER_MS, 2.0 * jitter_ms)
    delay = 0.024 * delay_ms + (0.11 * (delay_ms - 177.3) if delay_ms > 177.3 else 0.0)
    return min(R0, max(0.0, R0 - delay - equipment))


def mos(r: float) -> float:
    """The score of a rating, 1 to 4.5 (G.107 Annex B)."""
    if r <= 0:
        return 1.0
    if r >= 100:
        return 4.5
    return max(1.0, 1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6)


def score(codec: str, lost: float, jitter_ms: float = 0.0, one_way_ms: float = 0.0, burst: float = 1.0) -> float:
    """`rating` as a score. A stream of which nothing arrives is 1."""
    return 1.0 if lost >= 1.0 else mos(rating(codec, lost, jitter_ms, one_way_ms, burst))


def burst_ratio(lost: int, places: int, share: float) -> float:
    """BurstR (G.107 section 7.2) of `lost` packets missing in so many `places`; random loss of that `share` has bursts of 1 / (1 - share)."""
    return max(1.0, lost / places * (1.0 - share)) if places > 0 and lost > 0 else 1.0
