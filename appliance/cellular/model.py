"""What differs from one maker's modem to another's, as data."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass


def _never(_: str) -> bool | None:
    return None


@dataclass(frozen=True, slots=True)
class Model:
    """`names`: words of its answers to AT+CGMI and AT+CGMM, in capitals.

    `setup`: commands once it is known; they may fail. `ims_query`: asks whether calls go over the data network, which `ims` reads from a line (None: it is
    about something else). `sound_on` and `sound_off`: its sound over the second port, `sound_before`: to be switched on before the call is up.
    `began` and `over`: lines that say that a call was answered, and that it ended.
    """

    key: str
    name: str
    names: tuple[str, ...]
    setup: tuple[str, ...]
    ims_query: str
    ims: Callable[[str], bool | None] = _never
    sound_on: str = ""
    sound_off: str = ""
    sound_before: bool = False
    hang_up: str = "AT+CHUP"
    began: re.Pattern[str] = re.compile(r"(?!)")
    over: re.Pattern[str] = re.compile(r"NO CARRIER|BUSY|NO ANSWER")
    no_sim: re.Pattern[str] = re.compile(r"\+CPIN: NOT (READY|INSERTED)")
