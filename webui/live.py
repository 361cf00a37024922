"""Words on open pages that change by themselves: each has a key, is rendered by the server, and goes out over one event stream per page.

    @live("vitals.phones")                      # {{ live("vitals.phones") }} in a template
    def phones(state: State) -> str | Markup: …
    @live("people.phones")                      # {{ live("people.phones", user_id) }}: one word per object
    def phones_of(state: State) -> Mapping[str, str | Markup]: …
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Flask, Response, abort, current_app, g, request, stream_with_context
from markupsafe import Markup, escape

from webui import server
from webui.engine import State, engine
from webui.guard import EVERYBODY, STAFF, allowed, guard

Word = str | Markup
Words = Callable[[State], Word | Mapping[str, Word]]

MOST_STREAMS = 64
"""Pages that hold a stream at once; any more ask every 15 s."""
BEAT_S = 15.0
LOOK_S = 2.0
"""How soon a page sees what somebody else changed in the candidate: that comes from the disk, not from the engine."""

events = Blueprint("live", __name__)


@dataclass(frozen=True, slots=True)
class _Group:
    words: Words
    roles: frozenset[str]


_groups: dict[str, _Group] = {}
_streams = threading.BoundedSemaphore(MOST_STREAMS)


def live(group: str, roles: Collection[str] = STAFF) -> Callable[[Words], Words]:
    """Register what makes the words of `group`. It is given what the engine said last, may read the candidate, and must not wait for anything else."""

    def register(words: Words) -> Words:
        _groups[group] = _Group(words, frozenset(roles))
        return words

    return register


def set_up(app: Flask) -> None:
    app.register_blueprint(events)
    app.jinja_env.globals["live"] = span


def span(group: str, of: str = "", tag: str = "span", attributes: str = "") -> Markup:
    """The word as it is now, in an element that the event stream keeps up to date. `attributes`: of the element, as HTML that is ours."""
    key = f"{group}:{of}" if of else group
    held = Markup(f" {attributes}") if attributes else ""  # noqa: S704
    return Markup('<{0} data-live="{1}"{2}>{3}</{0}>').format(Markup(tag), key, held, _words_now(group).get(key, ""))  # noqa: S704


@events.get("/live")
@allowed(*EVERYBODY)
def once() -> Response:
    """All words of the groups asked for, for pages without a stream."""
    return Response(json.dumps(_words(_asked(), engine().state)), content_type="application/json")


@events.get("/events")
@allowed(*EVERYBODY)
def stream() -> Response:
    """All words of the groups asked for, then each that changes. A page that comes back after whatever happened is complete at once: it needs no last id."""
    groups = _asked()
    if not _streams.acquire(blocking=False):
        abort(503, description="streams")
    answer = Response(stream_with_context(_stream(groups)), content_type="text/event-stream; charset=utf-8")
    answer.headers["X-Accel-Buffering"] = "no"
    answer.call_on_close(_streams.release)
    return answer


def _stream(groups: list[str]) -> Iterator[str]:
    yield "retry: 2000\n\n"
    sent: dict[str, Markup] = {}
    serial, beaten, number = -1, time.monotonic(), 0
    while not server.stopping.is_set():
        state = engine().wait(serial, LOOK_S)
        serial = state.serial
        if not _still_signed_in():
            yield "event: signed-out\ndata: {}\n\n"
            return
        words = _words(groups, state)
        changed = {key: html for key, html in words.items() if sent.get(key) != html}
        changed |= dict.fromkeys(sent.keys() - words.keys(), Markup())
        sent = words
        if changed:
            number += 1
            beaten = time.monotonic()
            yield f"id: {number}\nevent: words\ndata: {json.dumps(changed)}\n\n"
        elif time.monotonic() - beaten > BEAT_S:
            beaten = time.monotonic()
            yield "event: beat\ndata: {}\n\n"


def _still_signed_in() -> bool:
    session = guard().sessions.find(g.token)
    if session is None or session.idle_s > guard().config.idle_s:
        return False
    account = guard().accounts.get(session.account)
    return account is not None and account.stamp == session.stamp and account.role == g.account.role


def _asked() -> list[str]:
    return [name for name in dict.fromkeys(request.args.getlist("g")) if name in _groups and g.account.role in _groups[name].roles]


def _words_now(group: str) -> dict[str, Markup]:
    """The words of one group, made once per request."""
    made: dict[str, dict[str, Markup]] = g.setdefault("words", {})
    if group not in made:
        known = _groups[group]
        made[group] = _words([group], engine().state) if g.account is not None and g.account.role in known.roles else {}
    return made[group]


def _words(groups: Collection[str], state: State) -> dict[str, Markup]:
    found: dict[str, Markup] = {}
    for name in groups:
        made = _groups[name].words(state)
        if isinstance(made, Mapping):
            found |= {f"{name}:{key}": escape(word) for key, word in made.items()}
        else:
            found[name] = escape(made)
    return found


def st(kind: str, word: str, loud: str = "", shape: str = "") -> Markup:
    """A word with its shape, as the macro of that name in kit.jinja: `st("ok", gettext("Ready"))`."""
    made: Any = current_app.jinja_env.get_template("kit.jinja").module
    return Markup(made.st(kind, word, loud, shape))  # noqa: S704  (a macro's output)
