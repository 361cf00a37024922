"""Lists of any length on pages of 50, with a search that survives turning the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from flask import request, url_for

T = TypeVar("T")

ROWS = 50


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """`rows`: those of this page, `first` to `last` (from 1) of `total`. `before`, `after`: addresses of the neighbours, "" : none."""

    rows: Sequence[T]
    first: int
    last: int
    total: int
    before: str
    after: str
    next_count: int


def search() -> str:
    """What was typed into the page's search (parameter `q`)."""
    return request.args.get("q", "").strip()[:100]


def found(rows: Sequence[T], words: Callable[[T], str], wanted: str | None = None) -> list[T]:
    """The rows whose `words` hold every word of the search, whatever the case."""
    typed = (search() if wanted is None else wanted).casefold().split()
    if not typed:
        return list(rows)
    return [row for row in rows if all(word in text for text in [words(row).casefold()] for word in typed)]


def page(rows: Sequence[T], size: int = ROWS) -> Page[T]:
    """The page asked for (parameter `page`, from 1) of `rows`; one beyond the end is the last."""
    asked = request.args.get("page", "1")
    last = max(1, -(-len(rows) // size))
    number = min(last, max(1, int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 8 else 1))
    start = (number - 1) * size
    here = rows[start : start + size]
    return Page(
        here, start + 1 if here else 0, start + len(here), len(rows), _address(number - 1) if number > 1 else "", _address(number + 1) if number < last else "",
        min(size, len(rows) - start - size),
    )  # fmt: skip


def _address(number: int) -> str:
    kept: dict[str, Any] = {name: value for name, value in request.args.items() if name not in {"page", "kept"}}
    assert request.endpoint is not None
    return url_for(request.endpoint, **(request.view_args or {}), **kept, page=number)
