"""Site documents as files: TOML and JSON in, JSON and TOML out."""

from __future__ import annotations

import json
import os
import stat
import tomllib
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from appliance.errors import DocumentError, Problem
from appliance.site.model.site import Site
from appliance.site.secrets import split
from appliance.site.text import to_toml
from appliance.site.validation import validate
from appliance.site.wording import path_of, quoted

MAX_BYTES = 8 * 1024 * 1024
"""A site of thousands of phones is well under one MiB: more is not a site file."""


def load_file(path: Path) -> tuple[Site, dict[str, str]]:
    """`parse` of the site file at `path`. Raises DocumentError with every problem; one problem when the file itself cannot be read."""
    return parse(read_file(path))


def read_file(path: Path) -> dict[str, Any]:
    """The raw document in `path`, TOML or JSON by suffix, not yet validated. Raises DocumentError with one problem that names the file."""
    suffix = path.suffix.lower()
    if suffix not in {".toml", ".json"}:
        raise _unreadable(path, "is neither a .toml nor a .json file", "a site file ends in .toml or .json")
    text = _text(path)
    return parse_json(path, text) if suffix == ".json" else _toml(path, text)


def parse(data: object, known: Collection[str] = ()) -> tuple[Site, dict[str, str]]:
    """A raw document as (site, the secrets it came with, by name). Raises DocumentError with every problem in it.

    `known`: the names of secrets that need not be in it, for the vault has them.
    """
    document, secrets, weak = split(data)
    # A secret with a problem is there: it is not reported as missing, too.
    site, problems = validate(document, {*known, *secrets, *(problem.path for problem in weak)})
    problems = (*weak, *problems)
    if site is None or problems:
        count = len(problems)
        raise DocumentError(f"the site document has {count} problem{'s' if count > 1 else ''}", problems)
    return site, secrets


def dump_json(site: Site) -> str:
    """The whole document as JSON, defaults written out: it means the same to a later version with other defaults."""
    return site.model_dump_json(indent=2) + "\n"


def dump_toml(site: Site) -> str:
    """The document as TOML for people, without what stands at its default."""
    return to_toml(site.model_dump(mode="json"))


def _unreadable(path: Path, sentence: str, hint: str) -> DocumentError:
    name = quoted(path.name).strip('"')
    return DocumentError(f"{name} {sentence}", (Problem(name, sentence, hint),))


def _text(path: Path) -> str:
    try:
        # O_NONBLOCK: a pipe of that name must be refused, not waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise _unreadable(path, "is not a file", "give the path of a site file")
            data = file.read(MAX_BYTES + 1)
    except IsADirectoryError:
        raise _unreadable(path, "is not a file", "give the path of a site file") from None
    except FileNotFoundError:
        raise _unreadable(path, "does not exist", "check the path") from None
    except PermissionError:
        raise _unreadable(path, "may not be read by this user", "change its permissions or run as another user") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise _unreadable(path, f"cannot be read: {error}", "give the path of a site file") from error
    if len(data) > MAX_BYTES:
        raise _unreadable(path, "is larger than 8 MiB", "a site file is far smaller: is this another file?")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _unreadable(path, f"is not UTF-8 text (line {line})", "save it as UTF-8") from None


def _toml(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise _unreadable(path, "is nested too deeply", "a site file has few levels") from None
    except ValueError as error:  # TOMLDecodeError, and a number of thousands of digits
        raise _unreadable(path, f"is not valid TOML: {error}", "correct that place; text belongs in quotes, and a heading may stand only once") from error


def parse_json(path: Path, text: str) -> dict[str, Any]:
    """The raw document in `text`; `path` is where it came from, for sentences. Raises DocumentError."""
    try:
        data = json.loads(text, object_pairs_hook=_Object)
    except RecursionError:
        raise _unreadable(path, "is nested too deeply", "a site file has few levels") from None
    except ValueError as error:
        raise _unreadable(path, f"is not valid JSON: {error}", "correct that place") from error
    if not isinstance(data, dict):
        raise _unreadable(path, "does not hold an object", "a JSON site file begins with { and ends with }")
    twice = tuple(Problem(path_of(loc), "stands twice", "keep one of them") for loc in _repeated(data, ()))
    if twice:
        raise DocumentError(f"{path.name} names the same thing twice", twice)
    return data


class _Object(dict[str, Any]):
    """A JSON object that remembers keys written twice: silently taking the last would lose a phone."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.repeated = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]


def _repeated(value: object, loc: tuple[int | str, ...]) -> Iterator[tuple[int | str, ...]]:
    if isinstance(value, _Object):
        yield from ((*loc, key) for key in value.repeated)
        for key, item in value.items():
            yield from _repeated(item, (*loc, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _repeated(item, (*loc, index))
