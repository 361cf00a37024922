"""A commit on condition: which revision goes back to which, and when. The deadline outlives kills and reboots, and needs no right wall clock."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from appliance.clock import Moment
from appliance.site import files

MAX_MINUTES = 1440

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Condition:
    """Revisions `first` to `last` are unconfirmed; `previous` is the one to go back to. `deadline_s` on CLOCK_BOOTTIME counts in boot `boot_id`,
    `deadline_unix_s` in another one.
    """

    first: int
    last: int
    previous: int
    minutes: int
    author: str
    deadline_unix_s: float
    boot_id: str
    deadline_s: float

    def holds(self, current: int | None) -> bool:
        """Whether it is about the revision that is current; if not it is left over from a commit that was cut short or confirmed."""
        return current is not None and self.first <= current <= self.last

    def seconds_left(self, now: Moment, unix_s: float) -> float:
        """Until the deadline, negative when it is over. After a reboot the wall clock counts; set back, it cannot lengthen the whole time that was given."""
        if now.boot_id == self.boot_id:
            return self.deadline_s - now.at_s
        return min(self.deadline_unix_s - unix_s, self.minutes * 60.0)

    def in_this_boot(self, now: Moment, unix_s: float) -> Condition:
        """The same with a deadline that no wall clock moves any more."""
        return self if now.boot_id == self.boot_id else replace(self, boot_id=now.boot_id, deadline_s=now.at_s + self.seconds_left(now, unix_s))


def condition(first: int, last: int, previous: int, minutes: int, author: str, now: Moment, unix_s: float) -> Condition:
    """`minutes` from now on."""
    return Condition(first, last, previous, minutes, author, unix_s + minutes * 60.0, now.boot_id, now.at_s + minutes * 60.0)


class ConditionFile:
    """`confirm.json` in the site folder. Writers hold the site store's lock. Writing raises StateError."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "confirm.json"

    def read(self) -> Condition | None:
        """None: nothing waits, or it cannot be read, which the log says."""
        try:
            raw: Any = json.loads(self._path.read_bytes())
            return Condition(
                int(raw["first"]), int(raw["last"]), int(raw["previous"]), int(raw["minutes"]), str(raw["author"]),
                float(raw["deadline_unix_s"]), str(raw["boot_id"]), float(raw["deadline_s"]),
            )  # fmt: skip
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            log.error("%s cannot be read, so nothing goes back by itself: %s", self._path, error)
            return None

    def write(self, condition: Condition) -> None:
        files.write(self._path, json.dumps(asdict(condition)).encode())

    def clear(self) -> None:
        with files.translated(f"delete {self._path}"):
            self._path.unlink(missing_ok=True)
