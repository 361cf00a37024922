"""What the box says of its own: whole in every language."""

from __future__ import annotations

import string
from datetime import UTC, datetime

import pytest

from appliance.callflow.facts import Facts, unknown_variables
from appliance.callflow.words import WORDS, phrase, when
from appliance.calls.caller import Caller
from tests.unit.callflow.fakes import NOW, snapshot_of


def holes(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("language", sorted(WORDS))
def test_a_language_has_every_sentence_with_the_same_holes(language: str) -> None:
    assert WORDS[language].keys() == WORDS["en"].keys()
    for key, text in WORDS[language].items():
        assert text.strip(), key
        assert holes(text) - {"hash"} == holes(WORDS["en"][key]) - {"hash"}, key
    assert len(WORDS[language]["months"].split()) == 12


@pytest.mark.parametrize(
    ("language", "text", "voice"),
    [
        ("en-us", "Enter the PIN, then press the pound key.", "en-us"),
        ("en-gb", "Enter the PIN, then press the hash key.", "en-gb"),
        ("fr-be", "Entrez le code, puis appuyez sur la touche dièse.", "fr-be"),
        ("de", "Enter the PIN, then press the pound key.", "en-us"),
    ],
)
def test_the_voice_fits_the_words(language: str, text: str, voice: str) -> None:
    assert phrase(language, "pin") == (text, voice)


def test_when_a_message_came() -> None:
    now = datetime(2026, 11, 17, 10, 15, tzinfo=UTC)
    assert when("en-us", datetime(2026, 11, 17, 0, 5, tzinfo=UTC), now) == "today at 00:05"
    assert when("en-us", datetime(2026, 11, 16, 23, 59, tzinfo=UTC), now) == "yesterday at 23:59"
    assert when("sv", datetime(2026, 3, 1, 8, 0, tzinfo=UTC), now) == "den 1 mars klockan 08:00"
    assert when("en-us", datetime(2026, 11, 18, 8, 0, tzinfo=UTC), now) == "November 18 at 08:00", "a clock that was set back"


@pytest.mark.row("E8")
def test_variables() -> None:
    withheld = Facts(snapshot_of(), "205", Caller("+13035550100", "Widget", private=True), None, NOW)
    assert withheld.fill("{caller} {caller_name} {user}|{nothing} { }", spoken=False) == "unknown unknown |{nothing} { }"
    assert unknown_variables("{caller} {callr} {Time}") == ("callr",)
