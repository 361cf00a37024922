"""Numbers in and out: what a dialled string means, whether it may be called, and how a trunk writes it."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from appliance.site.countries import COUNTRIES, NANP_ABROAD, NANP_TERRITORIES, Country, calling_code

Format = Literal["e164", "e164-no-plus", "national", "as-dialled"]

_SEPARATORS = str.maketrans("", "", " -.()/\u00a0")
"""Visual separators of RFC 3966 section 5.1.1, and what else people write between digits."""
_DIALLABLE = re.compile(r"\+?[0-9*#]{1,40}")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


class Kind(StrEnum):
    """What a dialled string is."""

    EMERGENCY = "emergency"
    """Recognition comes long before; here so that no prefix rule can ever make another number of it."""
    EXTENSION = "extension"
    OUTSIDE = "outside"
    """A number of the site's own country; `number` is E.164."""
    INTERNATIONAL = "international"
    """A number abroad; `number` is E.164."""
    SPECIAL = "special"
    """A feature code or a short service number, carried as it is."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Dialled:
    """`number`: the extension, the E.164 number, or the digits without outside prefix. `reason`: one sentence a person can use."""

    kind: Kind
    number: str
    reason: str


def dialled(digits: str, *, country: str, outside_prefix: str, extensions: Container[str]) -> Dialled:
    """Say what `digits` (user part of a Request-URI) means at a site in `country` (ISO code, one of the table; else KeyError).

    Order: emergency numbers (with the prefix, too), extensions, `+` numbers, the outside prefix and what follows it, then the same without prefix.
    """
    rules = COUNTRIES[country]
    text = _clean(digits)
    if not _DIALLABLE.fullmatch(text):
        return Dialled(Kind.UNKNOWN, text, "it is not a telephone number")
    bare = text[len(outside_prefix) :] if outside_prefix and text.startswith(outside_prefix) else None
    for candidate in (text, bare):
        if candidate in rules.emergency or candidate in rules.test:
            return Dialled(Kind.EMERGENCY, candidate, f"{candidate} is an emergency number")
    if text in extensions:
        return Dialled(Kind.EXTENSION, text, f"{text} is an extension")
    if bare:
        outside = _outside(bare, rules)
        if outside is not None:
            return outside
    return _outside(text, rules) or Dialled(Kind.UNKNOWN, text, _why_unknown(text, rules, outside_prefix))


def barred(e164: str, *, country: str, allowed_countries: Iterable[str], blocked_prefixes: Iterable[str]) -> str | None:
    """Why `e164` may not be called from a site in `country`, as a sentence, or None when it may.

    The own country is free; everything else waits for an entry of `allowed_countries` (`+44`, or `*` for all). Ranges that cost like foreign calls though
    they look domestic - premium services, and the Caribbean part of +1 - open only by an entry at least as long as their own prefix: `+1` opens the USA and
    Canada, not `+1876`.
    `blocked_prefixes` win over everything.
    """
    rules = COUNTRIES[country]
    if not _E164.fullmatch(e164):
        return f"{e164} is not a complete number"
    for prefix in blocked_prefixes:
        if e164.startswith(prefix):
            return f"calls to {prefix} are blocked at this site"
    special = _special_range(e164, rules)
    if special is None and calling_code(e164) == rules.calling_code:
        return None
    shortest = len(special[0]) if special else 1
    if any(entry == "*" or (e164.startswith(entry) and len(entry) >= shortest) for entry in allowed_countries):
        return None
    if special is not None:
        return f"{special[0]} is {special[1]} and is not allowed at this site"
    return f"calls to other countries are not allowed for +{calling_code(e164)} at this site"


def to_trunk(e164: str, form: Format, country: str) -> str:
    """Write `e164` the way a trunk of the site's `country` wants it. A string that is no E.164 number (a short service number) is left as it is.

    `national`: domestic numbers with the trunk prefix, in the North American plan ten digits; foreign ones with the international prefix.
    `as-dialled`: as a subscriber there dials it, which differs from `national` by the leading 1 of the North American plan.
    """
    if not _E164.fullmatch(e164) or form == "e164":
        return e164
    if form == "e164-no-plus":
        return e164[1:]
    rules = COUNTRIES[country]
    own = e164[1 + len(rules.calling_code) :]
    if calling_code(e164) != rules.calling_code:
        return rules.international + e164[1:]
    if rules.nanp:
        return own if form == "national" else rules.trunk + own
    return own if rules.is_bare(own) else rules.trunk + own


def from_trunk(user: str, form: Format, country: str) -> str | None:
    """The E.164 number in the user part a trunk sent, or None where there is none (`anonymous`, a short code, part of a number).

    Carriers mix forms, so a `+` or the country's international prefix is understood in every form, and parameters after `;` are dropped (RFC 4694).
    """
    rules = COUNTRIES[country]
    text = _clean(user.partition(";")[0])
    if text.startswith("+"):
        return _e164(text, rules)
    if not text.isascii() or not text.isdigit():
        return None
    if form in {"e164", "e164-no-plus"}:
        if form == "e164-no-plus" and not text.startswith("0"):
            return _e164("+" + text, rules)
        own = text.removeprefix(rules.calling_code)
        if own != text and rules.is_national(own):
            return "+" + text
    return _international(text, rules) or _national(text, rules)


def _clean(text: str) -> str:
    return text.translate(_SEPARATORS)


def _outside(text: str, rules: Country) -> Dialled | None:
    """`text` without any outside prefix, read as an outside number; None when it is none."""
    if text.startswith("+"):
        number = _e164(text, rules)
    elif text in rules.services:
        return Dialled(Kind.SPECIAL, text, f"{text} is a service number")
    elif not text.isdigit():
        return Dialled(Kind.SPECIAL, text, f"{text} is a feature code")
    else:
        number = _international(text, rules) or _national(text, rules)
    if number is None:
        return None
    if calling_code(number) == rules.calling_code and not (rules.nanp and _abroad(number[2:5], rules)):
        return Dialled(Kind.OUTSIDE, number, f"{number} is a number in {rules.name}")
    return Dialled(Kind.INTERNATIONAL, number, f"{number} is a number abroad")


def _why_unknown(text: str, rules: Country, outside_prefix: str) -> str:
    wanted = f"dial {outside_prefix} and the whole number with its area code" if outside_prefix else "dial the whole number with its area code"
    return f"{text} is no extension and no complete number in {rules.name}: {wanted}"


def _e164(text: str, rules: Country) -> str | None:
    """`text` (with `+`) as a valid E.164 number; a number of the own country must have its shape."""
    if not _E164.fullmatch(text):
        return None
    if calling_code(text) != rules.calling_code:
        return text
    own = text[1 + len(rules.calling_code) :]
    if rules.is_national(own):
        return text
    # "+44 (0)20 …": people and phone books write the trunk prefix where it does not belong.
    without = own.removeprefix(rules.trunk)
    return f"+{rules.calling_code}{without}" if without != own and rules.is_national(without) else None


def _international(text: str, rules: Country) -> str | None:
    rest = text.removeprefix(rules.international)
    return _e164("+" + rest, rules) if rest != text else None


def _national(text: str, rules: Country) -> str | None:
    rest = text.removeprefix(rules.trunk) if rules.trunk else text
    if rest != text and rules.is_national(rest):
        return f"+{rules.calling_code}{rest}"
    return f"+{rules.calling_code}{text}" if rules.is_bare(text) else None


def _abroad(area: str, rules: Country) -> bool:
    """Whether a +1 area code lies outside the site's country. The USA and Canada count as one here: calls cost alike, and new area codes appear yearly."""
    return area in NANP_ABROAD or (area in NANP_TERRITORIES and rules.code != "US")


def _special_range(e164: str, rules: Country) -> tuple[str, str] | None:
    """The costly range `e164` is in, as (E.164 prefix, what it is): premium numbers of any country in the table, and the parts of +1 that are abroad."""
    code = calling_code(e164)
    national = e164[1 + len(code) :]
    if code == "1" and _abroad(national[:3], rules):
        return e164[:5], "a country of its own inside +1"
    for prefix in _PREMIUM.get(code, ()):
        if national.startswith(prefix):
            return f"+{code}{prefix}", "a premium-rate range"
    return None


_PREMIUM = {country.calling_code: country.premium for country in COUNTRIES.values()}
