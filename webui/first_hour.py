"""How far the first hour has come: kept beside the sessions, from the claim on. A box that was set up another way has none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from appliance.errors import HoldfastError, StateError
from appliance.site import files
from webui.place import place

STEPS = ("place", "network", "lines", "people", "emergency", "tests")
"""After claiming the box, in their order."""
DONE, LATER = "done", "later"


@dataclass(frozen=True, slots=True)
class Progress:
    """`steps`: DONE or LATER ("skip for now") for those that were left. `begun` False: there is no first hour here. `over`: somebody has finished it."""

    begun: bool = False
    over: bool = False
    steps: Mapping[str, str] = field(default_factory=dict)

    def open(self) -> list[str]:
        """Steps that still need somebody."""
        return [step for step in STEPS if self.steps.get(step) != DONE]

    def next(self) -> str:
        """Where to go on: the first step nobody has seen to, else the first left for later, else the last."""
        fresh = [step for step in STEPS if step not in self.steps]
        return (fresh or self.open() or [STEPS[-1]])[0]


def progress() -> Progress:
    """As it is now. Never raises: what cannot be read is begun again by the next step."""
    try:
        held = json.loads(_path(place().data).read_bytes())
        steps = {step: str(held["steps"][step]) for step in STEPS if step in held["steps"]}
        return Progress(True, held.get("over") is True, steps)
    except FileNotFoundError:
        return Progress()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Progress(begun=True)


def begin() -> None:
    """The box was claimed. A disk that refuses only loses the reminder."""
    try:
        _save(Progress(begun=True))
    except StateError:
        return


def mark(step: str, how: str) -> None:
    """`step` is DONE or left for LATER. Raises StateError."""
    held = progress()
    if held.steps.get(step) != how:
        _save(Progress(True, held.over, {**held.steps, step: how}))


def finish() -> None:
    """Whatever is open stays under Home's "Needs you". Raises StateError."""
    _save(Progress(True, True, progress().steps))


def needs() -> list[str]:
    """Steps that Home reminds of; those that were seen to elsewhere meanwhile are not among them."""
    held = progress()
    if not held.begun:
        return []
    try:
        done = {"lines"} if place().kind("trunks") else set()
    except HoldfastError:
        done = set()
    return [step for step in held.open() if step not in done or not held.over]


def _path(data: Path) -> Path:
    return data / "web" / "first-hour.json"


def _save(held: Progress) -> None:
    path = _path(place().data)
    with files.locked(path.parent, "the web folder"):
        files.write(path, json.dumps({"over": held.over, "steps": dict(held.steps)}).encode())
