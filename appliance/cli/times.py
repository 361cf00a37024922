"""Moments typed on the command line, by the clock on the wall of the site."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import Any

from appliance.cli.output import plain
from appliance.errors import HoldfastError
from appliance.site.hours import wall_clock, zone_of


def moment_of(text: str, document: Mapping[str, Any]) -> datetime.datetime:
    """`18:30` is today's; one with an offset is told by the site's clock. Raises HoldfastError "situation"."""
    try:
        if re.fullmatch(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?", text):
            return datetime.datetime.combine(wall_clock(document).date(), datetime.time.fromisoformat(text.zfill(5)))
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise HoldfastError(f"{plain(text)} is not a time", "write 18:30, 2026-12-24 or 2026-12-24T18:30", code="situation") from None
    return found.astimezone(zone_of(document)).replace(tzinfo=None) if found.tzinfo is not None else found
