"""The step before anything opens the data folder: a restore or a factory reset that waits there is put in place."""

from __future__ import annotations

import logging
from pathlib import Path

from appliance.errors import HoldfastError

log = logging.getLogger(__name__)


def waits(data: Path) -> bool:
    """Whether something waits to be put in place."""
    return (data / "restore.new").exists()


def put_in_place(data: Path) -> str:
    """Under the lock of the data folder, by the supervisor at its start and by the engine at each of its own. Why it could not be done, "" when all is well.

    Never raises: a box that cannot restore must still start, for emergency calls. It is tried again at the next start.
    """
    if not waits(data):
        return ""
    # The supervisor stays small: it needs this once in a year.
    from appliance.site import pending  # noqa: PLC0415

    try:
        pending.apply(data)
    except (HoldfastError, OSError) as error:
        log.error("what waits in %s could not be put in place: %s", data / pending.NEW, error)
        return f"A restore could not be put in place: {error}"
    return ""


def sweep(data: Path) -> None:
    """Delete what a restore or reset threw away; may take long."""
    from appliance.site import pending  # noqa: PLC0415

    pending.sweep(data)
