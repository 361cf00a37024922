"""What fax.c tells of T.38, and what is done about it. On the SIP thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from _holdfast_shim import lib

from appliance.sip.api import MediaChanged, News
from appliance.sip.leg import SipLeg

ASKED, BEGAN, OVER, STRAY = 1, 2, 3, 4
"""As interface.h says of hf_on_fax."""


def fax(leg: SipLeg | None, call: int, what: int, tell: Callable[[SipLeg, News], None], hold_soon: Callable[[SipLeg, bool], Any]) -> None:
    """T.38 is asked for, runs, or is over. An emergency call stays a voice call."""
    other = leg.joined if leg is not None else None
    if what == ASKED:
        calm = leg is not None and other is not None and not leg.emergency and not other.emergency
        if not calm or other is None or lib.hf_fax_pass(call, other.call):
            lib.hf_fax_refuse(call, 488)
    elif what == BEGAN and leg is not None:
        tell(leg, MediaChanged(True, codec="t38"))
    elif what == OVER and other is not None:
        hold_soon(other, False)
    elif what == STRAY and leg is not None:
        hold_soon(leg, False)
