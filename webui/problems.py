"""What went wrong, as a page: refusals of the browser's request, faults of the box, mistakes of ours."""

from __future__ import annotations

import logging
import re
import secrets
from typing import Any

from flask import Flask, Response, g, render_template, request
from werkzeug.exceptions import HTTPException

from appliance.errors import HoldfastError, NotFound, Problem
from appliance.site.paths import parse_path
from appliance.site.sentences import Names
from webui.api import problems as api
from webui.guard import by_script, drain
from webui.i18n import gettext
from webui.place import place

log = logging.getLogger(__name__)

_TAKEN = re.compile(r"^(\S+) is taken by ([a-z]+)\.(\S+)$")


def set_up(app: Flask) -> None:
    app.register_error_handler(HTTPException, _refused)
    app.register_error_handler(HoldfastError, _fault)
    app.register_error_handler(Exception, _bug)
    app.jinja_env.filters.update(problem=problem_text, where=where)


def problem_text(problem: Problem) -> str:
    """`is shorter than 8 characters`, `use at least 8` as "Is shorter than 8 characters. Use at least 8."."""
    sentence = _TAKEN.sub(lambda found: gettext("%(number)s belongs to %(name)s", number=found[1], name=_name(found[2], found[3])), problem.sentence)
    return " ".join(f"{part[:1].upper()}{part[1:].rstrip('.')}." for part in (sentence, problem.hint) if part)


def _name(kind: str, key: str) -> str:
    """What people call an object of the candidate."""
    try:
        return Names(place().document()).of(kind, key)
    except HoldfastError:
        return key


def where(problem: Problem) -> str:
    """The place of a problem in words: `users.dana.extension` as "Extension of Dana Whitcomb"; the path itself where it has none."""
    try:
        loc = tuple(part for part in parse_path(problem.path) if isinstance(part, str))
        words = Names(place().document()).subject(loc) if loc else problem.path
    except HoldfastError:
        return problem.path
    return words[:1].upper() + words[1:]


def _refused(error: HTTPException) -> Any:
    """404, 403 and their kind."""
    if api.asked():
        return api.problem(error)
    if error.response is not None:
        return error.response
    code, title, why, cure = error.code or 500, "", "", ""
    match code, error.description:
        case 403, "csrf":
            title, why = gettext("This page was open for too long"), gettext("Nothing was changed. Go back, load the page again, and send it once more.")
        case 403, "origin":
            title, why = gettext("This came from another site"), gettext("Nothing was changed. Use the pages of this box.")
        case 403, _ if request.blueprint == "me" and g.get("account") is not None:
            title, why = gettext("These pages belong to users"), gettext("You are signed in to set up the box, not as one of its users.")
            cure = gettext("What a user may set stands under People. To see these pages, sign in as a user.")
        case 403, _:
            title, why = gettext("This is not for you"), gettext("You are signed in, but may not open this page.")
            cure = gettext("An administrator can give you access under Settings, Administrators.")
        case 404, text:
            title = gettext("There is no such page")
            why = text if isinstance(text, str) and text.startswith("There is no") else gettext("It may have been deleted or renamed.")
        case 405, _:
            title, why = gettext("This address takes no such request"), gettext("Open it from a page of this box.")
        case 413, _:
            drain()
            title, why = gettext("This is too large"), gettext("Nothing was changed.")
            if request.mimetype == "multipart/form-data":
                most = (request.max_content_length or 0) // (1024 * 1024)
                cure = gettext("At most %(n)d MB can be sent at once. Go back and choose a smaller file.", n=most)
        case _:
            title, why = gettext("This cannot be done"), gettext("Nothing was changed.")
    return _page(code, title, why, cure)


def _fault(error: HoldfastError) -> Any:
    """The disk, the vault, the engine."""
    if api.asked():
        return api.problem(error)
    log.error("%s: %s (%s)", request.path, error.sentence, error.hint)
    return _page(404 if isinstance(error, NotFound) else 503, f"{error.sentence}.", gettext("Calls go on."), error.hint)


def _bug(error: Exception) -> Any:
    if api.asked():
        return api.problem(error)
    mark = secrets.token_hex(4)
    log.error("%s %s failed (%s)", request.method, request.path, mark, exc_info=error)
    cure = gettext("The log of the box holds the details under the mark %(mark)s.", mark=mark)
    return _page(500, gettext("Something went wrong here"), gettext("It is a mistake in these pages, not yours. Calls go on."), cure)


def _page(code: int, title: str, why: str, cure: str) -> Any:
    if by_script():
        return Response(f"{title}. {why} {cure}".strip(), code, content_type="text/plain; charset=utf-8")
    for name in ("account", "session"):
        g.setdefault(name, None)
    try:
        return render_template("problem.html", title=title, why=why, cure=cure, code=code), code
    except Exception:
        log.warning("the page about a fault could not be made whole", exc_info=True)
        return Response(f"{title}\n{why} {cure}\n", code, content_type="text/plain; charset=utf-8")
