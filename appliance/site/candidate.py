"""The candidate: the site as people edit it until a commit, one file beside the revisions. Without the file it is what is in force."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance.errors import StateError
from appliance.site import files
from appliance.site.canonical import canonical, form
from appliance.site.paths import GROUPS, KINDS, SITE, Loc, find, version_of
from appliance.site.wording import path_of

PAST = 3
"""Earlier values kept of each object: whoever writes over a change sees what it was when he read it."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """`document`: whole, in the one form, possibly with mistakes. `past`: path of an object -> its earlier values, oldest first.

    `forget`: secrets that are taken away by the next commit, by their names.
    """

    document: dict[str, Any]
    past: dict[str, list[Any]] = field(default_factory=dict)
    forget: frozenset[str] = frozenset()

    def edited(self, document: dict[str, Any], forget: frozenset[str] | None = None) -> Candidate:
        """The candidate after a write that made `document` of it."""
        past = dict(self.past)
        for loc in objects(self.document):
            before = find(self.document, loc)
            if version_of(find(document, loc, None)) != version_of(before):
                path = path_of(loc)
                past[path] = [*past.get(path, []), before][-PAST:]
        return Candidate(document, past, self.forget if forget is None else forget)

    def earlier(self, loc: Loc, version: int) -> Any:
        """The value that the object at `loc` had at `version`, None where it is not known any more."""
        return next((value for value in reversed(self.past.get(path_of(loc), [])) if version_of(value) == version), None)


def objects(document: Mapping[str, Any]) -> list[Loc]:
    """Every object of a document."""
    found: list[Loc] = [SITE, *((name,) for name in GROUPS)]
    for kind in KINDS:
        entries = document.get(kind)
        found += [(kind, key) for key in entries] if isinstance(entries, Mapping) else [(kind,)]
    return found


class CandidateFile:
    """`candidate.json` in the site folder. Writers hold the site store's lock. All methods raise StateError."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "candidate.json"

    def read(self) -> Candidate | None:
        """None: there is none."""
        try:
            raw = json.loads(self._path.read_bytes())
            # Another version may have written it, which did not know every field.
            document = raw["document"] if raw.get("form") == form() else canonical(raw["document"])
            return Candidate(document, raw["past"], frozenset(raw["forget"]))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"The candidate {self._path} cannot be read: {error.strerror}", "check the disk and the owner of the data folder") from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise StateError(
                f"The candidate {self._path} is damaged: {type(error).__name__}",
                "what is in force is not touched: discard all pending changes to begin anew (holdfast site discard)",
                code="candidate",
            ) from error

    def stamp(self) -> tuple[int, int, int]:
        """Changes with every write. All zero: there is none."""
        try:
            there = self._path.stat()
        except OSError:
            return 0, 0, 0
        return there.st_mtime_ns, there.st_ino, there.st_size

    def write(self, candidate: Candidate) -> None:
        shape = {"form": form(), "document": candidate.document, "past": candidate.past, "forget": sorted(candidate.forget)}
        files.write(self._path, json.dumps(shape, separators=(",", ":")).encode())

    def clear(self) -> None:
        """There is no candidate any more."""
        with files.translated(f"delete {self._path}"):
            self._path.unlink(missing_ok=True)

    def put_aside(self) -> None:
        """Keep a damaged candidate for whoever wants to look at it, out of the way."""
        with files.translated(f"move {self._path}"):
            self._path.replace(self._path.with_suffix(".damaged"))
