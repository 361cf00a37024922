"""What differs from country to country: calling codes, dialling prefixes, emergency numbers, national number shapes.

Sources, in words: the ITU's list of country codes assigned under E.164; the national numbering plans notified to it under E.129 (prefixes and lengths);
the European Commission's and BEREC's lists of emergency numbers (112 in every member state, the national ones kept beside it); the North American Numbering
Plan Administrator's list of area codes by country, its 900 and 5XX service codes and its N11 codes; national regulators' plans for premium-rate ranges
(Ofcom, Arcep, Bundesnetzagentur, ACMA and their like). Patterns tell a whole number from a part of one; they do not know which numbers are assigned.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

EVERYWHERE = "112"
"""Recognised in every country: phones and people bring it with them."""


@dataclass(frozen=True)
class Country:
    """Dialling rules of one country.

    `code`: ISO 3166 alpha-2. `calling_code`: without `+`. `international`: the prefix dialled before a foreign number.
    `trunk`: the prefix dialled before a national number, "" where there is none. `national`: expression for a whole national (significant) number.
    `bare`: those of them that are dialled without the trunk prefix. `emergency`: the country's minimum, its principal number first, 112 always among them.
    `test`: numbers that try the emergency route. `services`: short numbers carried as they are.
    `premium`: leading digits of national numbers that cost like foreign ones.
    """

    code: str
    name: str
    calling_code: str
    international: str
    trunk: str
    national: str
    emergency: tuple[str, ...]
    test: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    premium: tuple[str, ...] = ()
    bare: str = ""

    @property
    def nanp(self) -> bool:
        """In the North American Numbering Plan: one calling code, many countries; the trunk prefix 1 may be left out."""
        return self.calling_code == "1"

    @cached_property
    def _national(self) -> re.Pattern[str]:
        return re.compile(self.national)

    @cached_property
    def _bare(self) -> re.Pattern[str] | None:
        return re.compile(self.bare) if self.bare else None

    def is_national(self, number: str) -> bool:
        """Whether `number` (digits, no prefix) has the shape of a whole national significant number."""
        return self._national.fullmatch(number) is not None

    def is_bare(self, number: str) -> bool:
        """Whether `number` is dialled as it stands, with no trunk prefix before it."""
        if not self.is_national(number):
            return False
        return not self.trunk or self.nanp or (self._bare is not None and self._bare.fullmatch(number) is not None)


NANP_ABROAD = frozenset(
    {"242", "246", "264", "268", "284", "345", "441", "473", "649", "658", "664", "721", "758", "767", "784", "809", "829", "849", "868", "869", "876"}
)
"""Area codes that look like a call within the USA and are one abroad (Caribbean states and Bermuda): the classic toll-fraud trap."""

NANP_TERRITORIES = frozenset({"340", "670", "671", "684", "787", "939"})
"""Area codes of US territories: home to a US site, abroad to a Canadian one."""

NANP_COSTLY = frozenset({"500", "521", "522", "523", "524", "525", "526", "527", "528", "529", "533", "544", "566", "577", "588", "700", "900"})
"""Area codes of premium (900), carrier-specific (700) and personal (5XX) services."""

_NANP = r"[2-9][0-9]{2}[2-9][0-9]{6}"
_N11 = ("211", "311", "411", "511", "611", "711", "811", "988")
_HARMONISED = ("116000", "116006", "116111", "116117", "116123")

COUNTRIES: dict[str, Country] = {
    country.code: country
    for country in (
        Country("US", "United States", "1", "011", "1", _NANP, ("911", "112"), ("933",), _N11, tuple(sorted(NANP_COSTLY))),
        Country("CA", "Canada", "1", "011", "1", _NANP, ("911", "112"), ("933",), _N11, tuple(sorted(NANP_COSTLY))),
        Country(
            "GB",
            "United Kingdom",
            "44",
            "00",
            "0",
            r"1[0-9]{8,9}|[237][0-9]{9}|5[56][0-9]{8}|8[0-9]{6,9}|9[0-9]{9}",
            ("999", "112"),
            services=("101", "105", "111", "119", "123", "159", *_HARMONISED),
            premium=("70", "9"),
        ),
        Country(
            "IE",
            "Ireland",
            "353",
            "00",
            "0",
            r"[1-9][0-9]{6,9}",
            ("112", "999"),
            services=_HARMONISED,
            premium=("15",),
            bare=r"1[58][0-9]{8}",
        ),
        Country(
            "FR",
            "France",
            "33",
            "00",
            "0",
            r"[1-9][0-9]{8}",
            ("112", "15", "17", "18", "114", "191", "196"),
            services=("115", "119", "3919", *_HARMONISED),
            premium=("89",),
        ),
        Country(
            "IT",
            "Italy",
            "39",
            "00",
            "",
            r"0[1-9][0-9]{4,9}|3[0-9]{8,9}|[1458][0-9]{5,9}",
            ("112", "113", "115", "118", "1530"),
            services=("114", "117", "1522", *_HARMONISED),
            premium=("144", "166", "89"),
        ),
        Country(
            "SE",
            "Sweden",
            "46",
            "00",
            "0",
            r"[1-9][0-9]{5,9}",
            ("112", "90000"),
            services=("11313", "11414", "1177", *_HARMONISED),
            premium=("900", "939", "944", "99"),
        ),
        Country("DE", "Germany", "49", "00", "0", r"[1-9][0-9]{4,12}", ("112", "110"), services=("115", "116116", *_HARMONISED), premium=("137", "900")),
        Country(
            "ES",
            "Spain",
            "34",
            "00",
            "",
            r"[5-9][0-9]{8}",
            ("112", "061", "062", "080", "085", "088", "091", "092"),
            services=("010", "012", "016", "024", *_HARMONISED),
            premium=("803", "806", "807", "905", "907"),
        ),
        Country(
            "NL",
            "Netherlands",
            "31",
            "00",
            "0",
            r"[1-7][0-9]{8}|8[0-9]{6,9}|9[0-9]{6,9}",
            ("112",),
            services=("113", *_HARMONISED),
            premium=("900", "906", "909"),
        ),
        Country(
            "BE",
            "Belgium",
            "32",
            "00",
            "0",
            r"[1-9][0-9]{7,8}",
            ("112", "100", "101"),
            services=("103", "105", "106", "107", "1722", "1733", *_HARMONISED),
            premium=("90",),
        ),
        Country(
            "CH",
            "Switzerland",
            "41",
            "00",
            "0",
            r"[1-9][0-9]{8}",
            ("112", "117", "118", "144"),
            services=("140", "143", "145", "147", "1414"),
            premium=("900", "901", "906"),
        ),
        Country(
            "AT",
            "Austria",
            "43",
            "00",
            "0",
            r"[1-9][0-9]{4,12}",
            ("112", "122", "133", "144", "128", "140", "141"),
            services=("142", "147", *_HARMONISED),
            premium=("900", "901", "930", "931"),
        ),
        Country(
            "PT",
            "Portugal",
            "351",
            "00",
            "",
            r"[2-9][0-9]{8}",
            ("112", "115", "117"),
            services=("144", *_HARMONISED),
            premium=("601", "607", "608", "646", "648", "760", "761", "762"),
        ),
        Country("DK", "Denmark", "45", "00", "", r"[2-9][0-9]{7}", ("112",), services=("114", "1813", *_HARMONISED), premium=("90",)),
        Country("NO", "Norway", "47", "00", "", r"[2-9][0-9]{7}|0[0-9]{4}", ("112", "110", "113"), services=_HARMONISED, premium=("82",)),
        Country("FI", "Finland", "358", "00", "0", r"[1-9][0-9]{4,10}", ("112",), services=_HARMONISED, premium=("600", "700")),
        Country("IS", "Iceland", "354", "00", "", r"[3-9][0-9]{6}|3[0-9]{8}", ("112",), services=("1700", "1717", "1770", *_HARMONISED), premium=("90",)),
        Country("PL", "Poland", "48", "00", "", r"[1-9][0-9]{8}", ("112", "997", "998", "999"), services=("984", "985", "986", *_HARMONISED), premium=("70",)),
        Country("LU", "Luxembourg", "352", "00", "", r"[2-9][0-9]{4,10}", ("112", "113"), services=_HARMONISED, premium=("90",)),
        Country("CZ", "Czechia", "420", "00", "", r"[2-9][0-9]{8}", ("112", "150", "155", "156", "158"), services=_HARMONISED, premium=("90",)),
        Country("SK", "Slovakia", "421", "00", "0", r"[2-9][0-9]{8}", ("112", "150", "155", "158", "159"), services=_HARMONISED, premium=("900",)),
        Country("HU", "Hungary", "36", "00", "06", r"[1-9][0-9]{7,8}", ("112", "104", "105", "107"), services=_HARMONISED, premium=("90", "91")),
        Country("GR", "Greece", "30", "00", "", r"[2-9][0-9]{9}", ("112", "100", "108", "166", "199"), services=_HARMONISED, premium=("901", "909")),
        Country("RO", "Romania", "40", "00", "0", r"[2-9][0-9]{8}", ("112",), services=_HARMONISED, premium=("90",)),
        Country("BG", "Bulgaria", "359", "00", "0", r"[2-9][0-9]{6,8}", ("112", "150", "160", "166"), services=_HARMONISED, premium=("90",)),
        Country("HR", "Croatia", "385", "00", "0", r"[1-9][0-9]{6,8}", ("112", "192", "193", "194", "195"), services=_HARMONISED, premium=("60",)),
        Country("SI", "Slovenia", "386", "00", "0", r"[1-7][0-9]{7}|8[0-9]{5,7}|90[0-9]{4,6}", ("112", "113"), services=_HARMONISED, premium=("90",)),
        Country("EE", "Estonia", "372", "00", "", r"[3-9][0-9]{6,9}", ("112", "110"), services=("1247", *_HARMONISED), premium=("900",)),
        Country("LV", "Latvia", "371", "00", "", r"[2-9][0-9]{7}", ("112", "110", "113"), services=_HARMONISED, premium=("90",)),
        Country("LT", "Lithuania", "370", "00", "0", r"[3-9][0-9]{7}", ("112",), services=_HARMONISED, premium=("90",)),
        Country("MT", "Malta", "356", "00", "", r"[2-9][0-9]{7}", ("112",), services=_HARMONISED, premium=("50",)),
        Country("CY", "Cyprus", "357", "00", "", r"[2-9][0-9]{7}", ("112", "199"), services=_HARMONISED, premium=("900", "909")),
        Country(
            "AU",
            "Australia",
            "61",
            "0011",
            "0",
            r"[2-578][0-9]{8}|13[0-9]{4}|1[389]00[0-9]{6}|180[0-9]{4}|19[0-9]{4,8}",
            ("000", "112", "106"),
            premium=("190",),
            bare=r"1[389][0-9]{4,8}",
        ),
        Country("NZ", "New Zealand", "64", "00", "0", r"[2-9][0-9]{7,9}", ("111", "112"), services=("105", "1737"), premium=("900",)),
        Country(
            "JP",
            "Japan",
            "81",
            "010",
            "0",
            r"(?!10)[1-9][0-9]{8,9}",
            ("119", "110", "118", "112"),
            services=("104", "117", "171", "177", "188", "189"),
            premium=("990",),
        ),
        Country("SG", "Singapore", "65", "001", "", r"[3689][0-9]{7}|1?800[0-9]{7}|1900[0-9]{7}|7000[0-9]{7}", ("999", "995", "112"), premium=("1900",)),
        Country("HK", "Hong Kong", "852", "001", "", r"[2-9][0-9]{7}|800[0-9]{6}|900[0-9]{8}", ("999", "112", "992"), premium=("900",)),
    )
}
"""By ISO code. A site names one of these; a country that is not here is refused by validation, never guessed."""

_TWO_DIGIT_CODES = frozenset(
    str(code)
    for code in (
        *(20, 27, 30, 31, 32, 33, 34, 36, 39, 40, 41, 43, 44, 45, 46, 47, 48, 49, 51, 52, 53, 54, 55, 56, 57, 58),
        *(60, 61, 62, 63, 64, 65, 66, 81, 82, 84, 86, 90, 91, 92, 93, 94, 95, 98),
    )
)


def calling_code(e164: str) -> str:
    """The country calling code of `e164` (`+4420…` -> `44`), by the assignment plan of ITU-T E.164: 1 and 7 alone, listed pairs, else three digits."""
    digits = e164.removeprefix("+")
    if digits[:1] in {"1", "7"}:
        return digits[:1]
    return digits[:2] if digits[:2] in _TWO_DIGIT_CODES else digits[:3]
