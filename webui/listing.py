"""Lists of any length on pages of 50, with a search that survives turning the page, and marks of what is not applied."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from flask import render_template, request, url_for

from webui.place import place

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


class Row(Protocol):
    """A row of a list. `words`: what the search looks at."""

    @property
    def words(self) -> str: ...


def listed(template: str, rows: Sequence[Row], **more: Any) -> str:
    """The page of a list: `rows` of it that the search finds, and how many `matches` there are."""
    matching = found(rows, lambda row: row.words)
    return render_template(template, rows=page(matching), matches=len(matching), **more)


def marks(kind: str) -> dict[str, str]:
    """Id -> "new" or "changed", for the objects of a kind that differ from what is in force; `k.mark` shows it."""
    in_force = place().site()
    known: Any = getattr(in_force, kind) if in_force is not None else ()
    return {key: "changed" if key in known else "new" for of, _, key in (path.partition(".") for path in place().pending().objects) if of == kind}


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
