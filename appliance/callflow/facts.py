"""What is known of a call or a text message while its flow runs, and the variables that texts may hold."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from appliance.calls.caller import Caller
from appliance.site.snapshot import Snapshot
from appliance.types import UserId

VARIABLES = {
    "dialled": "the number that was called",
    "caller": "the caller's number",
    "caller_name": "the caller's name, else the number",
    "user": "whose flow it is",
    "digits": "the keys pressed last",
    "time": "the time of day",
}
_VARIABLE = re.compile(r"\{([a-z_]{1,30})\}")
_NUMBER = re.compile(r"\+?[0-9*#]{2,}")
UNKNOWN = {"en": "unknown", "fr": "inconnu", "it": "sconosciuto", "sv": "okänt"}


@dataclass(frozen=True, slots=True)
class Facts:
    """`dialled`: as dialled, or the called number of ours (E.164). `user`: whose settings count. `digits`: collected last. `text`: of a text message.

    `now`: in the site's time zone.
    """

    snapshot: Snapshot
    dialled: str
    caller: Caller
    user: UserId | None
    now: datetime
    digits: str = ""
    text: str = ""

    def value(self, variable: str) -> str:
        """What `variable`, one of VARIABLES, stands for."""
        withheld = UNKNOWN.get(self.snapshot.site.language[:2], UNKNOWN["en"])
        number = "" if self.caller.private else self.caller.number
        match variable:
            case "dialled":
                return self.dialled
            case "caller":
                return number or withheld
            case "caller_name":
                return ("" if self.caller.private else self.caller.name) or number or withheld
            case "user":
                user = self.snapshot.site.users.get(self.user) if self.user is not None else None
                return user.name if user is not None else ""
            case "digits":
                return self.digits
        return f"{self.now:%H:%M}"

    def fill(self, text: str, *, spoken: bool) -> str:
        """`text` with its variables filled in. `spoken`: numbers digit by digit, or a voice would read 4001 as four thousand and one."""

        def filled(found: re.Match[str]) -> str:
            if found[1] not in VARIABLES:
                return found[0]
            value = self.value(found[1])
            return " ".join(value) if spoken and _NUMBER.fullmatch(value) else value

        return _VARIABLE.sub(filled, text)


def unknown_variables(text: str) -> tuple[str, ...]:
    """Names in braces in `text` that stand for nothing."""
    return tuple(name for name in _VARIABLE.findall(text) if name not in VARIABLES)
