"""How changes of a site are shown: one sentence each, what a check found, and a conflict with both values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from appliance.cli.output import Screen, problem_table
from appliance.errors import Conflict, Problem
from appliance.site.diff import Change
from appliance.site.editing import Waiting
from appliance.site.paths import parse_path
from appliance.site.text import to_toml

LISTED = 60
"""Changes shown one by one; an import may have thousands."""


def count(number: int, word: str) -> str:
    """`1 change`, `3 changes`."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def show_changes(changes: Iterable[Change], screen: Screen, every: bool = False) -> None:
    """One line per change."""
    show_sentences([change.sentence or change.path for change in changes], screen, every)


def show_sentences(sentences: Sequence[str], screen: Screen, every: bool = False) -> None:
    shown = sentences if every else sentences[:LISTED]
    for sentence in shown:
        screen.line(f"  {sentence}")
    if len(sentences) > len(shown):
        screen.line(f"  … and {len(sentences) - len(shown)} more; `holdfast site diff` lists all before a commit")


def show_warnings(warnings: Iterable[Problem], screen: Screen) -> None:
    for warning in warnings:
        screen.line(f"Warning: {warning.path}: {warning.sentence}" + (f" ({warning.hint})" if warning.hint else ""), "yellow")


def show_problems(problems: Sequence[Problem], screen: Screen) -> None:
    if problems:
        screen.line(f"{count(len(problems), 'mistake')}:", "bold red")
        problem_table(problems, screen)


def show_pending(changes: Sequence[Change], screen: Screen) -> None:
    """What waits and what to do with it."""
    if changes:
        screen.line(f"{count(len(changes), 'change')} not in force yet: `holdfast site commit` does it, `holdfast site discard` drops them.")


def show_waiting(waiting: Waiting, screen: Screen) -> None:
    left = max(0, round(waiting.seconds_left / 60)) or 1
    screen.line(f"It goes back to revision {waiting.previous} in {left} min unless you run `holdfast site confirm`.", "bold yellow")


def problem_dicts(problems: Iterable[Problem]) -> list[dict[str, str]]:
    return [{"path": each.path, "sentence": each.sentence, "hint": each.hint} for each in problems]


def change_dicts(changes: Iterable[Change]) -> list[dict[str, Any]]:
    return [change.as_dict() for change in changes]


def waiting_dict(waiting: Waiting | None) -> dict[str, Any] | None:
    if waiting is None:
        return None
    return {name: getattr(waiting, name) for name in ("revision", "previous", "minutes", "seconds_left", "author")}


def show_conflict(conflict: Conflict, screen: Screen) -> None:
    """Both values of the place, and what it was before, each under its title."""
    titles = {"It was": conflict.base, f"It is now (version {conflict.version})": conflict.theirs, "You wrote": conflict.yours}
    for title, value in titles.items():
        if value is None and value is conflict.base:
            continue
        screen.line(f"{title}:", "bold")
        if isinstance(value, dict | list):
            lines = to_toml(value, parse_path(conflict.path)).splitlines()
        else:
            lines = ["(nothing)" if value is None else value if isinstance(value, str) else json.dumps(value)]
        for line in lines:
            screen.line(f"    {line}")
