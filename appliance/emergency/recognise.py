"""Recognises emergency calls in a Request-URI: pure, from a table made once per revision, a microsecond per INVITE."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from appliance.site.countries import EVERYWHERE
from appliance.site.snapshot import Snapshot

SOS = "urn:service:sos"
TEST_SOS = "urn:service:test.sos"
"""RFC 6881 section 15: a test call is `test.` before the service it tries."""

_SERVICE_URN = re.compile(r"urn:service:(test\.)?sos((?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*)", re.IGNORECASE)
_SEPARATORS = str.maketrans("", "", "-.() /,\t\u00a0")
"""RFC 3966 section 5.1.1 visual separators, the comma people write for a pause, and what else stands between digits."""
_DIALSTRING = re.compile(r";\s*user=dialstring(?![a-z0-9])", re.IGNORECASE)
_DIALSTRING_KEYS = str.maketrans("EeFf", "**##")
_NEVER_E164 = 6
"""A `+` with fewer than seven digits is no telephone number anywhere, so `+911` can only be a phone's clumsy way to write 911."""


@dataclass(frozen=True, slots=True)
class EmergencyService:
    """What an INVITE asks for.

    `number`: what a carrier that takes numbers is sent (`911` where `9911`, `112` or a URN was dialled); "" only for a test call at a site without a test
    number: then no carrier may be sent a number. `urn`: what an NG911 carrier is sent, in lower case. `dialled`: as the phone wrote it.
    """

    kind: Literal["emergency", "test"]
    number: str
    urn: str
    dialled: str


class Recogniser:
    """Tells emergency and test calls from all others by exact comparison.

    `country_numbers`: those the carriers of the country route themselves, the principal one first. Any other (112 brought along by a visitor, a number the
    site added) is carried as the principal one. Without it every number is carried as dialled, a URN as 911 or 112.
    """

    __slots__ = ("_principal", "_principal_test", "_table")

    def __init__(
        self,
        emergency_numbers: Iterable[str],
        test_numbers: Iterable[str] = (),
        outside_prefixes: Iterable[str] = (),
        *,
        country_numbers: Sequence[str] = (),
    ) -> None:
        emergency, test = sorted(set(emergency_numbers)), sorted(set(test_numbers))
        prefixes = sorted({prefix for prefix in outside_prefixes if prefix})
        self._principal = country_numbers[0] if country_numbers else next((n for n in ("911", EVERYWHERE, *emergency) if n in emergency), EVERYWHERE)
        self._principal_test = next((n for n in ("933", *test) if n in test), "")
        # Filled from the weakest claim to the strongest: a later one takes the string over, and an emergency number always stands above a test number.
        table: dict[str, tuple[Literal["emergency", "test"], str]] = {}
        for number in test:
            for prefix in prefixes:
                table[prefix + number] = ("test", number)
        for number in test:
            table[number] = ("test", number)
        for number in emergency:
            carried = self._carried(number, country_numbers)
            for prefix in prefixes:
                table[prefix + number] = ("emergency", carried)
        for number in emergency:
            table[number] = ("emergency", self._carried(number, country_numbers))
        self._table = table

    @classmethod
    def of(cls, snapshot: Snapshot) -> Recogniser:
        """The recogniser of a compiled site."""
        return cls(
            snapshot.emergency_numbers,
            snapshot.test_numbers,
            (snapshot.site.outbound.outside_prefix,),
            country_numbers=snapshot.country.emergency,
        )

    def match(self, uri: str, uri_scheme: str, uri_user: str, to_user: str = "") -> EmergencyService | None:
        """The emergency service an INVITE with this Request-URI asks for, None for an ordinary call.

        `uri_user` may still hold parameters (`911;phone-context=…`) and percent-escapes. `to_user` (user part of To) counts only where the Request-URI
        names nobody, as phones with a fixed outbound proxy write it.
        """
        found = self._table.get(uri_user)
        if found is not None:
            return EmergencyService(found[0], found[1], SOS if found[0] == "emergency" else TEST_SOS, uri_user)
        if uri_user.isdigit() and uri_user.isascii():
            return None
        scheme = uri_scheme.lower()
        if scheme == "urn":
            return self._urn(unquote(uri))
        if scheme in ("sip", "sips") and uri_user:
            return self._string(uri_user, dialstring=_DIALSTRING.search(uri) is not None)
        rest = uri[len(scheme) + 1 :] if uri[: len(scheme) + 1].lower() == scheme + ":" else uri
        if scheme == "tel":
            return self._string(uri_user or rest.partition("@")[0], dialstring=False)
        if scheme in ("sip", "sips"):
            # `sip:911` parses as a host; taken literally, for dots must not turn an address into a number.
            host = re.split(r"[;?:]", rest, maxsplit=1)[0]
            return self._entry(host, host) or (self._string(to_user, dialstring=False) if to_user else None)
        return None

    def _carried(self, number: str, country_numbers: Sequence[str]) -> str:
        if not country_numbers or (number in country_numbers and number != EVERYWHERE):
            return number
        return self._principal

    def _entry(self, number: str, dialled: str) -> EmergencyService | None:
        found = self._table.get(number)
        if found is None:
            return None
        return EmergencyService(found[0], found[1], SOS if found[0] == "emergency" else TEST_SOS, dialled)

    def _string(self, written: str, *, dialstring: bool) -> EmergencyService | None:
        text = unquote(written).partition(";")[0].strip()
        if not dialstring:
            return self._number(text, text)
        keys = text.translate(_DIALSTRING_KEYS)
        # RFC 4967 section 4: what follows an X (wait for the answer) is a tone and no part of the number; a P is a pause, within it (`9P911`) or at its end.
        number = re.split("[Xx]", keys, maxsplit=1)[0]
        return self._number(re.sub("[Pp]", "", number), text) or self._number(re.split("[Pp]", number, maxsplit=1)[0], text)

    def _number(self, text: str, dialled: str) -> EmergencyService | None:
        number = text.translate(_SEPARATORS)
        found = self._entry(number, dialled)
        if found is None and number.endswith("#"):
            # Phones whose # key means "send" often send it along.
            number = number[:-1]
            found = self._entry(number, dialled)
        if found is None and number.startswith("+") and len(number) <= 1 + _NEVER_E164:
            found = self._entry(number[1:], dialled)
        return found

    def _urn(self, uri: str) -> EmergencyService | None:
        """RFC 5031 section 4.2: `sos` and everything below it, known to us or not."""
        text = re.split(r"[;?#]", uri, maxsplit=1)[0].strip().rstrip(".")
        found = _SERVICE_URN.fullmatch(text)
        if found is None:
            return None
        if found[1]:
            return EmergencyService("test", self._principal_test, text.lower(), uri)
        return EmergencyService("emergency", self._principal, text.lower(), uri)
