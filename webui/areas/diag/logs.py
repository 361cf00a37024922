"""Logs: what the box wrote down, narrowed by level, process and words; followed live by the script; as a file. Read from the disk, engine or none."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Response, render_template, request, stream_with_context, url_for

from appliance.site.logbook import LEVELS, Entry, Wanted, newest, processes, since
from webui.areas.diag import AREA
from webui.guard import by_script
from webui.i18n import lazy_gettext
from webui.listing import search
from webui.place import place

_l = lazy_gettext
AREA.tab("logs", _l("Logs"), 70)
ROWS, BURST = 50, 200
FILE_LINES = 100_000
WORDS = {"debug": _l("Everything"), "info": _l("Information and worse"), "warning": _l("Warnings and errors"), "error": _l("Errors")}
KINDS = {"debug": ("off", _l("Detail")), "info": ("info", _l("Information")), "warning": ("warn", _l("Warning")), "error": ("bad", _l("Error"))}
PROCESSES = {"engine": _l("Phone engine"), "web": _l("Web pages"), "supervisor": _l("Supervisor")}


@AREA.get("/logs")
def logs() -> Response | str:
    """The page; asked by its script with `after`: the rows since that line."""
    wanted, after, before = _wanted(request.args), request.args.get("after", "")[:80], request.args.get("before", "")[:80]
    if by_script():
        entries = since(place().data, wanted, after, BURST)[::-1]
        rows = render_template("diag/log-rows.html", rows=entries, kinds=KINDS, names=PROCESSES)
        return Response(json.dumps({"rows": rows if entries else "", "last": entries[0].key if entries else after}), content_type="application/json")
    newer = _last()
    found = newest(place().data, wanted, ROWS + 1, before)
    kept: dict[str, Any] = {"q": wanted.search or None, "level": wanted.level if wanted.level != "info" else None, "process": wanted.process or None}
    return render_template(
        "diag/logs.html", rows=found[:ROWS], kinds=KINDS, names=PROCESSES, levels=WORDS, wanted=wanted, processes=processes(place().data), last=newer,
        older=url_for("diag.logs", **kept, before=found[ROWS - 1].key) if len(found) > ROWS else "", newest=url_for("diag.logs", **kept) if before else "",
        here=url_for("diag.logs", **kept),
    )  # fmt: skip


@AREA.post("/logs/download")
def download_logs() -> Response:
    """All lines that the page's search finds, as a text file, the oldest first."""
    lines = newest(place().data, _wanted(request.form), FILE_LINES)
    answer = Response(stream_with_context(_text(lines[::-1], place().time_zone())), content_type="text/plain; charset=utf-8")
    answer.headers["Content-Disposition"] = 'attachment; filename="holdfast.log"'
    return answer


def _text(entries: list[Entry], zone: str) -> Iterator[str]:
    where = ZoneInfo(zone)
    for entry in entries:
        when = datetime.fromtimestamp(entry.at_unix_s, where).isoformat(sep=" ", timespec="milliseconds")
        yield f"{when} {entry.level:7s} {entry.process} {entry.logger}: {entry.text}\n"


def _last() -> str:
    """The key of the newest line of all, from where the page is followed."""
    entry = next(iter(newest(place().data, Wanted("debug"), 1)), None)
    return entry.key if entry is not None else ""


def _wanted(given: Mapping[str, str]) -> Wanted:
    level, process = given.get("level", "info"), given.get("process", "")
    words = search() if given is request.args else given.get("q", "").strip()[:100]
    return Wanted(level if level in LEVELS else "info", process if process in processes(place().data) else "", words)
