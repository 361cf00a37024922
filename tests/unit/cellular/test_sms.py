"""Texts as PDUs, read back by the simulator's own reader."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.cellular.api import CellularError
from appliance.cellular.sms import MOST_PARTS, encode, number
from tests.support.modem import ALPHABET, EXTENSION, read_pdu

GSM = st.text(st.sampled_from([*ALPHABET.replace("\x1b", ""), *EXTENSION.values()]), min_size=1, max_size=340).filter(str.strip)


def back(to, text):
    parts = encode(to, text, 77)
    read = [read_pdu(part.hex) for part in parts]
    assert all(len(part.hex) // 2 - 1 == part.length for part in parts)
    assert {found for found, _, _ in read} == {to}
    if len(parts) > 1:
        assert [header for _, _, header in read] == [bytes((5, 0, 3, 77, len(parts), at)) for at in range(1, len(parts) + 1)]
    return "".join(words for _, words, _ in read), len(parts)


@settings(max_examples=50)
@given(GSM)
def test_what_the_gsm_alphabet_holds_arrives_as_written(text):
    said, parts = back("+12025550177", text)
    assert said == text
    assert parts <= -(-2 * len(text) // 152)


@settings(max_examples=50)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=150).filter(str.strip))
def test_any_text_arrives_as_written(text):
    assert back("5550100", text)[0] == text


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("ж" * 70, 1),
        ("ж" * 71, 2),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
    ],
)
def test_how_many_parts_it_takes(text, parts):
    assert back("+46701740605", text) == (text, parts)


def test_a_known_pdu():
    # TS 23.040's usual example: "hellohello" to +46708251358.
    [part] = encode("+46708251358", "hellohello", 0)
    assert part.hex == "0011000B916407281553F80000A70AE8329BFD4697D9EC37"
    assert part.length == 23


@pytest.mark.parametrize(("given", "plain"), [("+1 (202) 555-0177", "+12025550177"), ("*100#", "*100#"), ("911", "911")])
def test_numbers_as_people_write_them(given, plain):
    assert number(given) == plain


@pytest.mark.parametrize("given", ["", "dana", "+", "12;34", "1\rAT+CHUP", "1" * 21, "++1", "\u0665\u0665"])
def test_what_is_no_number_is_refused(given):
    with pytest.raises(CellularError, match="no phone number"):
        number(given)


def test_empty_and_endless_texts_are_refused():
    with pytest.raises(CellularError, match="empty"):
        encode("911", " \n", 1)
    assert len(encode("911", "a" * 153 * MOST_PARTS, 1)) == MOST_PARTS
    with pytest.raises(CellularError, match="11 messages"):
        encode("911", "a" * (153 * MOST_PARTS + 1), 1)
