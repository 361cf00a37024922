"""What the worker says of flows: the kinds of steps, and a flow step by step; asked once for each state of the candidate."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from flask import current_app

from appliance.errors import HoldfastError, Problem
from appliance.site.working import run_job
from webui.i18n import gettext
from webui.place import place

T = TypeVar("T")
KEPT = 32
LIMIT_S = 30.0


class _Kept:
    """Answers of the worker, the last ones, per application. Who asks what is being asked already waits for that answer."""

    def __init__(self) -> None:
        self._answers: OrderedDict[Any, Any] = OrderedDict()
        self._lock = threading.Lock()
        self._asking: dict[Any, threading.Lock] = {}

    def get(self, key: Any, ask: Callable[[], T]) -> T:
        with self._lock:
            turn = self._asking.setdefault(key, threading.Lock())
        with turn:
            with self._lock:
                if key in self._answers:
                    self._answers.move_to_end(key)
                    found: T = self._answers[key]
                    return found
            try:
                answer = ask()
            finally:
                with self._lock:
                    self._asking.pop(key, None)
            with self._lock:
                self._answers[key] = answer
                while len(self._answers) > KEPT:
                    self._answers.popitem(last=False)
            return answer


def _kept() -> _Kept:
    found: _Kept = current_app.extensions.setdefault("flows", _Kept())
    return found


def kinds() -> Mapping[str, Mapping[str, Any]]:
    """Every kind of step by its name, as the worker's job "kinds" describes it. Raises HoldfastError."""
    return _kept().get("kinds", lambda: {each["type"]: each for each in run_job("kinds", {}, LIMIT_S)["kinds"]})


def starters() -> Sequence[Mapping[str, Any]]:
    """Flows to begin with. Raises HoldfastError."""
    return _kept().get("starters", lambda: list(run_job("kinds", {}, LIMIT_S)["starters"]))


def outline(key: str) -> Mapping[str, Any]:
    """The flow of the candidate, step by step, with its mistakes. Raises HoldfastError."""
    document = place().document()
    return _kept().get(("outline", place().stamp(), key), lambda: drafted(key, document))


def drafted(key: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same by a document that is not saved. Raises HoldfastError."""
    media = [path.stem for path in (place().data / "media").glob("*.wav")]
    found: Mapping[str, Any] = run_job("outline", {"document": document, "flow": key, "media": media}, LIMIT_S)
    return found


def simulated(situation: Mapping[str, Any]) -> Mapping[str, Any]:
    """What would become of a call by the candidate. Raises HoldfastError."""
    document = place().document()
    key = ("simulate", place().stamp(), repr(sorted(situation.items())))
    return _kept().get(key, lambda: run_job("simulate", {"document": document, "situation": situation}, LIMIT_S))


def fault(error: HoldfastError) -> str:
    """Why the worker has no answer, in words."""
    problems: Sequence[Problem] = getattr(error, "problems", ())
    if problems:
        return gettext("%(what)s: %(where)s %(why)s", what=error.sentence, where=problems[0].path, why=problems[0].sentence)
    return f"{error.sentence}. {error.hint}" if error.hint else error.sentence
