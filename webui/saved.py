"""What to tell somebody on the next page, once: "changed, not applied", with a way to take it back."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import g

from appliance.errors import Conflict, HoldfastError
from appliance.site.paths import find, object_of, parse_path, version_of
from webui.i18n import gettext
from webui.place import place

MOST = 500


@dataclass(frozen=True, slots=True)
class Toast:
    """`undo`: an id for `/undo`, or "". """

    text: str
    undo: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """The object at `path` was saved as `version`; it was `before` (None: not there)."""

    path: str
    before: Mapping[str, Any] | None
    version: int


@dataclass(frozen=True, slots=True)
class _Before:
    account: str
    parts: tuple[Part, ...]


# In memory: after a restart of the web nobody misses a toast.
_toasts: OrderedDict[str, list[Toast]] = OrderedDict()
_undo: OrderedDict[str, _Before] = OrderedDict()
_lock = threading.Lock()


def toast(text: str, undo: str = "") -> None:
    """Say `text` on the page that this session sees next."""
    with _lock:
        _toasts.setdefault(g.session.id, []).append(Toast(text, undo))
        _shrink(_toasts)


def toasts() -> list[Toast]:
    """What is to be said now; it is not said again."""
    session = g.get("session")
    with _lock:
        return _toasts.pop(session.id, []) if session is not None else []


def remember(path: str, before: Mapping[str, Any] | None, version: int, sentence: str = "") -> None:
    """The object at `path` was saved as `version`; it was `before` (None: not there). Says so, with Undo."""
    remember_all([Part(path, before, version)], sentence)


def remember_all(parts: Sequence[Part], sentence: str = "") -> None:
    """The same for several objects, which one Undo brings back together."""
    id = secrets.token_urlsafe(12)
    with _lock:
        _undo[id] = _Before(g.account.id, tuple(parts))
        _shrink(_undo)
    toast(sentence or gettext("Changed, not applied."), id)


def take_back(id: str) -> str:
    """Undo what `id` stands for; a sentence that says how it went. Passwords stay changed."""
    with _lock:
        before = _undo.pop(id, None)
    if before is None or before.account != g.account.id:
        return gettext("It is too late to take this back here. Review shows every change, each with Discard.")
    editor = place().editor(g.account.author)
    try:
        # Before the first is written: half of it taken back would be worse than nothing.
        if any(version_of(find(place().document(), object_of(parse_path(part.path)), None)) != part.version for part in before.parts):
            raise Conflict("", None, None, 0)
        for part in before.parts:
            if part.before is None:
                editor.delete(part.path, part.version)
            else:
                editor.set(part.path, dict(part.before), part.version)
    except Conflict:
        return gettext("Somebody changed it since, so nothing was taken back.")
    except HoldfastError as error:
        return f"{error.sentence}. {error.hint}"
    return gettext("Taken back.")


def latest(path: str) -> str:
    """The id of what the one who asks saved last within the object at `path`, for an Undo of its page; "" : nothing that could be taken back."""
    with _lock:
        mine = ((id, held.parts[0]) for id, held in reversed(_undo.items()) if held.account == g.account.id and len(held.parts) == 1)
        return next((id for id, part in mine if part.before is not None and f"{part.path}.".startswith(f"{path}.")), "")


def _shrink(table: OrderedDict[str, Any]) -> None:
    while len(table) > MOST:
        table.popitem(last=False)
