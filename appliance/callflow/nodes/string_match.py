"""String match: goes different ways for different numbers or texts (row E9)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from appliance.callflow.facts import Facts
from appliance.callflow.node import Decision, Exit, Settings, Way
from appliance.callflow.patterns import expression, matches
from appliance.site.model.flows import ExitName

OTHERWISE = "otherwise"
LONGEST_EXPRESSION = 200
LONGEST_SUBJECT = 4000
"""Characters of a text that are looked at."""
_PATTERN_KEYS = frozenset("0123456789*#+xXnN")


def _not_otherwise(name: str) -> str:
    if name == OTHERWISE:
        raise ValueError("is the exit for everything else; name this one differently")
    return name


class Case(Settings):
    """One line: what it looks for, and the exit that is taken where it is found."""

    exit: Annotated[ExitName, AfterValidator(_not_otherwise)] = Field(description="The exit taken; several lines may share one.")
    kind: Literal["exact", "prefix", "pattern", "regex"] = Field(
        "exact",
        title="How",
        json_schema_extra={"words": {"exact": "Is exactly", "prefix": "Begins with", "pattern": "Fits the pattern", "regex": "Fits the expression"}},
        description="exact: all of it. prefix: its beginning. pattern: x any digit, n 2 to 9, a last . one key or more: 4xxx. "
        "regex: a regular expression, anywhere in it unless it has ^ and $.",
    )
    value: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_EXPRESSION)] = Field(description="What is looked for.")

    @model_validator(mode="after")
    def _usable(self) -> Case:
        if self.kind == "regex":
            expression(self.value)
        if self.kind == "pattern" and (self.value == "." or not set(self.value.removesuffix(".")) <= _PATTERN_KEYS):
            raise ValueError('is no pattern of keys: digits, * # +, x for any digit, n for 2 to 9, a last . for more; "4xxx"')
        return self

    def fits(self, subject: str) -> bool:
        """Whether `subject` is what this line looks for. Capitals do not count, except in expressions."""
        match self.kind:
            case "exact":
                return subject.casefold() == self.value.casefold()
            case "prefix":
                return subject.casefold().startswith(self.value.casefold())
            case "pattern":
                return matches(self.value, subject)
            case "regex":
                return expression(self.value).search(subject) is not None


class StringMatchSettings(Settings):
    of: Literal["dialled", "caller", "caller_name", "digits", "text"] = Field(
        "dialled",
        title="Looks at",
        json_schema_extra={
            "words": {
                "dialled": "The number dialled",
                "caller": "The caller's number",
                "caller_name": "The caller's name",
                "digits": "Keys pressed last",
                "text": "Text of a message",
            }
        },
        description="What is looked at: the number dialled, the caller's number or name, the keys pressed last, or the text of a message.",
    )
    cases: tuple[Case, ...] = Field(min_length=1, max_length=100, title="Lines", description="Looked at in this order; the first that fits counts.")


class StringMatch(Decision[StringMatchSettings]):
    """Linear in time whatever is written: expressions are RE2's."""

    kind = "string-match"
    title = "String match"
    help = "Compares the number dialled, the caller, the keys pressed or a message with a list; the first line that fits decides."
    icon = "search"
    settings = StringMatchSettings

    def exits(self, settings: StringMatchSettings) -> tuple[Exit, ...]:
        names = dict.fromkeys(case.exit for case in settings.cases)
        return (*(Exit(name, name, required=True) for name in names), Exit(OTHERWISE, "anything else", required=True))

    def decide(self, facts: Facts, settings: StringMatchSettings) -> Way:
        subject = _subject(facts, settings.of)
        return next((case.exit for case in settings.cases if case.fits(subject)), OTHERWISE)


def _subject(facts: Facts, of: str) -> str:
    match of:
        case "dialled":
            subject = facts.dialled
        case "caller":
            subject = facts.caller.number
        case "caller_name":
            subject = facts.caller.name
        case "digits":
            subject = facts.digits
        case _:
            subject = facts.text.strip()
    # Half of a surrogate pair is no text, and RE2 takes none.
    return subject[:LONGEST_SUBJECT].encode("utf-8", "replace").decode()


NODE = StringMatch()
