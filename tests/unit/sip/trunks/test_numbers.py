"""Numbers in and out: what dialled digits mean, what is barred, and every trunk format there and back."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.sip.trunks.numbers import Format, Kind, barred, dialled, from_trunk, to_trunk
from appliance.site.countries import COUNTRIES, calling_code

EXTENSIONS = frozenset({"1001", "1002", "9001"})
FORMATS: tuple[Format, ...] = get_args(Format)
codes = st.sampled_from(sorted(COUNTRIES))


def home_numbers(code: str) -> st.SearchStrategy[str]:
    """Whole numbers of the country itself, as E.164."""
    rules = COUNTRIES[code]
    return st.from_regex(rules.national, fullmatch=True).map(lambda own: f"+{rules.calling_code}{own}").filter(lambda e164: 8 <= len(e164) <= 16)


def foreign_numbers(code: str) -> st.SearchStrategy[str]:
    return st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True).filter(lambda e164: calling_code(e164) != COUNTRIES[code].calling_code)


def say(digits: str, country: str = "US", prefix: str = "9") -> tuple[Kind, str]:
    result = dialled(digits, country=country, outside_prefix=prefix, extensions=EXTENSIONS)
    assert result.reason
    return result.kind, result.number


@given(st.data(), codes, st.sampled_from(FORMATS))
def test_every_number_survives_the_way_to_a_trunk_and_back(data: st.DataObject, code: str, form: Format) -> None:
    e164 = data.draw(st.one_of(home_numbers(code), foreign_numbers(code)))
    assert from_trunk(to_trunk(e164, form, code), form, code) == e164


@given(codes, st.sampled_from(FORMATS), st.text(max_size=30))
def test_whatever_a_trunk_sends_gives_a_number_or_none(code: str, form: Format, user: str) -> None:
    number = from_trunk(user, form, code)
    assert number is None or (number.startswith("+") and number[1:].isdigit() and 7 <= len(number) - 1 <= 15)


@pytest.mark.parametrize(
    ("country", "e164", "national", "as_dialled"),
    [
        ("US", "+12125550123", "2125550123", "12125550123"),
        ("US", "+442079460018", "011442079460018", "011442079460018"),
        ("GB", "+442079460018", "02079460018", "02079460018"),
        ("GB", "+12125550123", "0012125550123", "0012125550123"),
        ("IT", "+390612345678", "0612345678", "0612345678"),
        ("AU", "+61291234567", "0291234567", "0291234567"),
        ("AU", "+611300123456", "1300123456", "1300123456"),
        ("AU", "+442079460018", "0011442079460018", "0011442079460018"),
        ("IE", "+3531800123456", "1800123456", "1800123456"),
        ("HU", "+3612345678", "0612345678", "0612345678"),
        ("JP", "+81312345678", "0312345678", "0312345678"),
        ("ES", "+34912345678", "912345678", "912345678"),
    ],
)
def test_trunk_formats_as_people_write_them(country: str, e164: str, national: str, as_dialled: str) -> None:
    assert to_trunk(e164, "e164", country) == e164
    assert to_trunk(e164, "e164-no-plus", country) == e164[1:]
    assert to_trunk(e164, "national", country) == national
    assert to_trunk(e164, "as-dialled", country) == as_dialled


def test_a_short_number_is_written_as_it_is() -> None:
    assert [to_trunk("411", form, "US") for form in FORMATS] == ["411"] * 4


@pytest.mark.parametrize(
    ("user", "form", "country", "e164"),
    [
        ("+12125550123;npdi=yes;rn=+12125550000", "e164", "US", "+12125550123"),
        ("12125550123", "e164", "US", "+12125550123"),
        ("2125550123", "national", "US", "+12125550123"),
        ("12125550123", "national", "US", "+12125550123"),
        ("+44 (0)20 7946 0018", "e164", "GB", "+442079460018"),
        ("anonymous", "e164", "US", None),
        ("", "national", "GB", None),
        ("1001", "national", "US", None),
        ("٠٢٠٧٩٤٦٠٠١٨", "national", "GB", None),
        ("+1212555012", "e164", "US", None),
    ],
)
def test_what_carriers_send(user: str, form: Format, country: str, e164: str | None) -> None:
    assert from_trunk(user, form, country) == e164


@pytest.mark.parametrize(
    ("digits", "kind", "number"),
    [
        ("1001", Kind.EXTENSION, "1001"),
        ("9001", Kind.EXTENSION, "9001"),
        ("912125550123", Kind.OUTSIDE, "+12125550123"),
        ("92125550123", Kind.OUTSIDE, "+12125550123"),
        ("2125550123", Kind.OUTSIDE, "+12125550123"),
        ("9175550123", Kind.OUTSIDE, "+19175550123"),
        ("+1 (212) 555-0123", Kind.OUTSIDE, "+12125550123"),
        ("9011442079460018", Kind.INTERNATIONAL, "+442079460018"),
        ("918765550123", Kind.INTERNATIONAL, "+18765550123"),
        ("+442079460018", Kind.INTERNATIONAL, "+442079460018"),
        ("9411", Kind.SPECIAL, "411"),
        ("988", Kind.SPECIAL, "988"),
        ("*97", Kind.SPECIAL, "*97"),
        ("5550123", Kind.UNKNOWN, "5550123"),
        ("9", Kind.UNKNOWN, "9"),
        ("", Kind.UNKNOWN, ""),
        ("dana", Kind.UNKNOWN, "dana"),
        ("+", Kind.UNKNOWN, "+"),
        ("+12", Kind.UNKNOWN, "+12"),
    ],
)
def test_what_is_dialled_in_the_usa(digits: str, kind: Kind, number: str) -> None:
    assert say(digits) == (kind, number)


@pytest.mark.parametrize(
    ("digits", "country", "prefix", "kind", "number"),
    [
        ("902079460018", "GB", "9", Kind.OUTSIDE, "+442079460018"),
        ("02079460018", "GB", "9", Kind.OUTSIDE, "+442079460018"),
        ("00493012345678", "GB", "9", Kind.INTERNATIONAL, "+493012345678"),
        ("003012345678", "DE", "0", Kind.OUTSIDE, "+493012345678"),
        ("03012345678", "DE", "0", Kind.OUTSIDE, "+493012345678"),
        ("000442079460018", "DE", "0", Kind.INTERNATIONAL, "+442079460018"),
        ("0112", "DE", "0", Kind.EMERGENCY, "112"),
        ("00011442079460018", "AU", "0", Kind.INTERNATIONAL, "+442079460018"),
        ("0", "DE", "0", Kind.UNKNOWN, "0"),
        ("0612345678", "IT", "", Kind.OUTSIDE, "+390612345678"),
    ],
)
def test_what_is_dialled_elsewhere(digits: str, country: str, prefix: str, kind: Kind, number: str) -> None:
    assert say(digits, country, prefix) == (kind, number)


@given(codes, st.sampled_from(["", "0", "9", "8", "91", "*9"]), st.booleans())
def test_no_prefix_rule_turns_an_emergency_number_into_another(code: str, prefix: str, dial_prefix: bool) -> None:
    for number in (*COUNTRIES[code].emergency, *COUNTRIES[code].test):
        result = dialled(prefix + number if dial_prefix else number, country=code, outside_prefix=prefix, extensions=frozenset({"11", number}))
        assert (result.kind, result.number) == (Kind.EMERGENCY, number)


@given(codes, st.sampled_from(["", "0", "9", "91"]), st.text(alphabet="0123456789+*# -", max_size=20))
def test_any_digits_get_an_answer_and_outside_numbers_are_whole(code: str, prefix: str, digits: str) -> None:
    result = dialled(digits, country=code, outside_prefix=prefix, extensions=EXTENSIONS)
    assert result.reason
    if result.kind in {Kind.OUTSIDE, Kind.INTERNATIONAL}:
        assert from_trunk(result.number, "e164", code) == result.number


@pytest.mark.parametrize(
    ("e164", "country", "allowed", "blocked", "is_barred"),
    [
        ("+12125550123", "US", (), (), False),
        ("+14165550123", "US", (), (), False),
        ("+442079460018", "US", (), (), True),
        ("+442079460018", "US", ("+44",), (), False),
        ("+442079460018", "US", ("*",), (), False),
        ("+442079460018", "US", ("*",), ("+4420",), True),
        ("+18765550123", "US", (), (), True),
        ("+18095550123", "US", ("+1",), (), True),
        ("+18765550123", "US", ("+1876",), (), False),
        ("+18765550123", "US", ("*",), (), False),
        ("+19005550123", "US", (), (), True),
        ("+19005550123", "US", ("+1",), (), True),
        ("+17875550123", "US", (), (), False),
        ("+17875550123", "CA", (), (), True),
        ("+12125550123", "GB", ("+1",), (), False),
        ("+18765550123", "GB", ("+1",), (), True),
        ("+449098790123", "GB", (), (), True),
        ("+449098790123", "DE", ("+44",), (), True),
        ("+449098790123", "DE", ("+449",), (), False),
        ("+442079460018", "GB", (), (), False),
        ("+442079460018", "GB", (), ("+44207946",), True),
        ("+37112345678", "US", ("+37",), (), False),
        ("+8816123456789", "US", (), (), True),
        ("+123", "US", ("*",), (), True),
    ],
)
def test_what_is_barred(e164: str, country: str, allowed: tuple[str, ...], blocked: tuple[str, ...], is_barred: bool) -> None:
    reason = barred(e164, country=country, allowed_countries=allowed, blocked_prefixes=blocked)
    assert (reason is not None) == is_barred
    assert reason is None or reason.strip()


@given(st.data(), codes)
def test_nothing_abroad_is_free_by_default(data: st.DataObject, code: str) -> None:
    e164 = data.draw(foreign_numbers(code))
    assert barred(e164, country=code, allowed_countries=(), blocked_prefixes=())
    assert barred(e164, country=code, allowed_countries=("*",), blocked_prefixes=()) is None
