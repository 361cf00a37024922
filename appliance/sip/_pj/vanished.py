"""Peers that are gone without a word: a leg without RTP is asked for a sign of life. On the SIP thread."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from _holdfast_shim import lib

from appliance.sip._pj.config import MAX_LEGS
from appliance.sip.leg import SipLeg

log = logging.getLogger(__name__)

GONE = frozenset({408, 481, 503})
"""Answers to a sign of life that mean nobody is there; 503 is our own where the TCP connection is closed."""
QUIET_S, QUIET_CHECK_S = 10.0, 5.0
"""A leg without a single RTP packet for so long is asked for a sign of life (OPTIONS in the dialog, 32 s at most): gone within 60 s in all."""


def look_for_vanished(legs: Iterable[SipLeg], now: float) -> None:
    """Ask those that are quiet; `probed` gets the answer. A line that is no dialog has its own ways to tell."""
    for leg in tuple(legs):
        if not leg.answered or leg.call >= MAX_LEGS:
            continue
        packets = int(lib.hf_rx_packets(leg.call))
        if packets != leg.quiet_rx:
            leg.quiet_rx, leg.quiet_since_s = packets, now
        elif now - leg.quiet_since_s >= QUIET_S and now - leg.probe_at_s >= QUIET_S and not leg.vanished:
            leg.probe_at_s = now
            lib.hf_call_probe(leg.call)


def probed(leg: SipLeg, code: int) -> None:
    """The answer to a sign of life."""
    if code in GONE and not leg.vanished:
        leg.vanished = True
        log.info("leg %s: the peer is gone (no RTP, %d to OPTIONS)", leg.id, code)
        lib.hf_call_hangup(leg.call, 0, b"", b"")
