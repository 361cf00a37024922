"""Long lists in pages: `limit` and an opaque `cursor`, which goes on behind the last entry seen whatever came or went meanwhile."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from appliance.errors import DocumentError, Problem

T = TypeVar("T")

ROWS, MOST = 50, 200


class Query(BaseModel):
    """Parameters in the address: unknown ones are refused, for a slip must not pass silently."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PageQuery(Query):
    limit: int = Field(default=ROWS, ge=1, le=MOST, description="How many at most.")
    cursor: str = Field(default="", max_length=400, description="`next` of the page before; empty: the first page.")


def page(rows: Sequence[T], key: Callable[[T], str], asked: PageQuery) -> dict[str, Any]:
    """A page of `rows`, which are sorted by `key`: {"items", "next"}."""
    after = read_cursor(asked.cursor)
    here = [row for row in rows if key(row) > after] if asked.cursor else list(rows)
    return cut(here, asked.limit, key)


def cut(rows: Sequence[T], limit: int, key: Callable[[T], str]) -> dict[str, Any]:
    """The first `limit` of `rows`, and a cursor behind them where there are more."""
    here = list(rows[:limit])
    return {"items": here, "next": cursor(key(here[-1])) if len(rows) > limit else None}


def cursor(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def read_cursor(text: str) -> str:
    """What `cursor` was made of. Raises DocumentError."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        raise wrong_cursor() from None


def read_number(text: str) -> int | None:
    """The number `cursor` was made of; None: there is no cursor. Raises DocumentError."""
    if not text:
        return None
    found = read_cursor(text)
    if not (found.isascii() and found.isdigit() and len(found) <= 18):
        raise wrong_cursor()
    return int(found)


def wrong_cursor() -> DocumentError:
    return DocumentError("The query is not what this takes", (Problem("cursor", "is none of ours", "use `next` of the page before, as it is"),))
