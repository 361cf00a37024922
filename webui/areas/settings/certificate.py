"""What the box shows over TLS: names, dates, the fingerprint to compare; the site's own in its place, and back."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from appliance.errors import DocumentError, NotFound
from appliance.site.certificate import LARGEST, covers, shown
from webui import certificates
from webui.areas.settings import AREA
from webui.guard import allowed, current
from webui.i18n import gettext, lazy_gettext
from webui.place import place
from webui.problems import problem_text
from webui.saved import toast

AREA.tab("certificate", lazy_gettext("Certificate"), 30)


@AREA.get("/certificate")
@allowed("administrator")
def certificate() -> str:
    return _page({})


@AREA.post("/certificate")
@allowed("administrator")
def install_certificate() -> Response | tuple[str, int]:
    try:
        certificates.install(_text("certificate"), _text("key"), current().id)
    except DocumentError as error:
        wrong: dict[str, str] = {}
        for problem in error.problems:
            wrong[problem.path] = f"{wrong.get(problem.path, '')} {problem_text(problem)}".strip()
        return _page(wrong), 422
    toast(_outcome(gettext("The box shows its new certificate.")))
    return redirect(url_for("settings.certificate"), 303)


@AREA.post("/certificate/reset")
@allowed("administrator")
def reset_certificate() -> Response:
    try:
        certificates.reset(current().id)
        toast(_outcome(gettext("The box shows the certificate it made itself.")))
    except NotFound:
        toast(gettext("The box shows its own certificate already."))
    return redirect(url_for("settings.certificate"), 303)


def _text(name: str) -> str:
    """What was chosen, or pasted; a little more than it may be is enough to say that it is too large."""
    file = request.files.get(name)
    if file is not None and file.filename:
        return file.stream.read(LARGEST * 2).decode("utf-8", "replace")
    return request.form.get(f"{name}-text", "")[: LARGEST * 2]


def _outcome(done: str) -> str:
    match certificates.renew():
        case True:
            after = gettext("Phones that use TLS see it from their next connection on. Calls go on.")
        case False:
            after = gettext("SIP over TLS is off, so phones see nothing of it.")
        case _:
            after = gettext("The phone engine does not run; it takes it as soon as it starts.")
    return f"{done} {after}"


def _page(wrong: dict[str, str]) -> str:
    host = urlsplit(request.url_root).hostname or ""
    held = shown(place().data)
    fits = "web" not in held or covers(held["web"], host)
    return render_template("settings/certificate.html", held=held, wrong=wrong, now_s=time.time(), host=host, fits=fits)
