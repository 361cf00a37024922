"""The one error tree: each error a person can cause has a stable code, a sentence and a hint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class HoldfastError(Exception):
    """A person's mistake or a fault with a cure. `code` is stable (clients match on it), `hint` says what to do."""

    code = "error"

    def __init__(self, sentence: str, hint: str = "", *, code: str | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = hint
        if code is not None:
            self.code = code

    def as_dict(self) -> dict[str, Any]:
        """JSON shape used by the control socket, the CLI's --json and the API: {code, sentence, hint}."""
        return {"code": self.code, "sentence": self.sentence, "hint": self.hint}


class SettingsError(HoldfastError):
    """The environment or the data folder is not usable; the box does not start."""

    code = "settings"


class StateError(HoldfastError):
    """The operational state could not be read or written."""

    code = "state"


class ControlError(HoldfastError):
    """The control socket could not be reached, or refused."""

    code = "control"


class NotFound(HoldfastError):
    """A named thing does not exist."""

    code = "not-found"


class SoundError(HoldfastError):
    """A sound file is missing, damaged, or of a kind that cannot be played."""

    code = "sound"


class SpeechError(HoldfastError):
    """A text could not be spoken."""

    code = "speech"


class SipError(HoldfastError):
    """The SIP stack refused a command."""

    code = "sip"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a document: `path` like `users.dana.extension`, what is wrong, what to do."""

    path: str
    sentence: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.sentence}" + (f" ({self.hint})" if self.hint else "")

    def as_dict(self) -> dict[str, str]:
        return {"path": self.path, "sentence": self.sentence, "hint": self.hint}


class DocumentError(HoldfastError):
    """A site document is not valid. `problems` lists every mistake; nothing was applied."""

    code = "document"

    def __init__(self, sentence: str, problems: tuple[Problem, ...]) -> None:
        super().__init__(sentence, "correct the listed places and load it again; nothing was applied")
        self.problems = problems

    def as_dict(self) -> dict[str, Any]:
        base = HoldfastError.as_dict(self)
        base["problems"] = [problem.as_dict() for problem in self.problems]
        return base


class Conflict(HoldfastError):
    """Somebody else changed the same thing meanwhile. `theirs`: the value as it is now (None: gone), at `version`; `yours`: what was to be written; `base`:
    what it was when you read it, None where that is not known.
    """

    code = "conflict"

    def __init__(self, path: str, theirs: Any, yours: Any, version: int, base: Any = None) -> None:
        super().__init__(f"{path or 'The site'} was changed meanwhile", "look at both values, then write again with the version it has now")
        self.path, self.theirs, self.yours, self.version, self.base = path, theirs, yours, version, base

    def as_dict(self) -> dict[str, Any]:
        shape = HoldfastError.as_dict(self)
        return {**shape, "path": self.path, "theirs": self.theirs, "yours": self.yours, "base": self.base, "version": self.version}
