"""Backup, restore, factory reset: what takes the place of everything, each typed out before it happens."""

from __future__ import annotations

import logging
import time
from datetime import datetime
from importlib.metadata import version
from zoneinfo import ZoneInfo

from flask import Response as FlaskResponse
from flask import jsonify, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from appliance.errors import HoldfastError, NotFound
from appliance.site.pending import Plan
from appliance.site.wording import size
from webui.areas.settings import AREA
from webui.backups import Upload, backups
from webui.engine import State
from webui.forms import slug
from webui.guard import allowed, current, open_to_all, takes_large
from webui.i18n import gettext, lazy_gettext
from webui.live import live, st
from webui.place import place
from webui.saved import toast

log = logging.getLogger(__name__)

AREA.tab("backup", lazy_gettext("Backup"), 50)

Answer = Response | str | tuple[str, int]


@AREA.get("/backup")
@allowed("administrator")
def backup() -> str:
    return _page()


@AREA.post("/backup")
@allowed("administrator")
def make_backup() -> Response | tuple[str, int]:
    """The file, made while the browser takes it."""
    passphrase = request.form.get("passphrase", "")[:1000]
    if passphrase != request.form.get("again", "")[:1000]:
        return _page(wrong={"again": gettext("The two are not the same. Type the passphrase again.")}), 422
    try:
        blocks = backups().stream(passphrase)
    except HoldfastError as error:
        return _page(wrong={"passphrase": _told(error)}), 422
    log.warning("%s makes a backup", current().id)
    answer = FlaskResponse(blocks, content_type="application/octet-stream")
    answer.headers.set("Content-Disposition", "attachment", filename=file_name())
    return answer


@live("settings.backup", ("administrator",))
def making(_: State) -> Markup:
    """How far the backup is that is made, and how the last one went."""
    made = backups().making
    if made.state == "runs":
        words = gettext("Making the backup: %(done)s of about %(total)s read.", done=size(made.done), total=size(made.total))
        label = gettext("Progress of the backup")
        return Markup('<progress aria-label="{}" max="{}" value="{}"></progress><p class="sub">{}</p>').format(label, made.total or 1, made.done, words)
    if made.state == "done":
        words = gettext("Keep the file and its passphrase in two places: without the passphrase nobody can open it.")
        return Markup('<p role="status">{} {}</p>').format(st("ok", gettext("The backup is made.")), words)
    if made.state == "failed":
        words = gettext("What arrived of it cannot be used. %(why)s", why=made.sentence)
        return Markup('<p role="alert">{} {}</p>').format(st("bad", gettext("The last backup was not finished.")), words)
    return Markup("")


# ---- restoring ---------------------------------------------------------------------------------------------------


@AREA.post("/restore")
@allowed("administrator")
@takes_large
def upload() -> Response | tuple[str, int]:
    """Take the file, and look into it."""
    file = request.files.get("file")
    if file is None or not file.filename:
        return _page(wrong={"file": gettext("Choose the backup file.")}), 422
    try:
        made = backups().receive(file.stream, current().id)
    except HoldfastError as error:
        return _page(wrong={"file": _told(error)}), 422
    finally:
        file.close()
    if (refused := _look(made, request.form.get("opens", "")[:1000])) is not None:
        return _page(wrong={"file": refused}), 422
    return redirect(url_for("settings.restore", id=made.id), 303)


@AREA.get("/restore/<id>")
@allowed("administrator")
def restore(id: str) -> Answer:
    """What is in it, in sentences; nothing is changed yet."""
    try:
        return _restore(backups().upload(id, current().id))
    except NotFound:
        return _lost()


@AREA.post("/restore/<id>")
@allowed("administrator")
def open_upload(id: str) -> Answer:
    """Another passphrase for the same file."""
    try:
        held = backups().upload(id, current().id)
    except NotFound:
        return _lost()
    if (refused := _look(held, request.form.get("opens", "")[:1000])) is not None:
        return _page(wrong={"file": refused}), 422
    return redirect(url_for("settings.restore", id=id), 303)


@AREA.post("/restore/<id>/go")
@allowed("administrator")
def go(id: str) -> Answer:
    try:
        held = backups().upload(id, current().id)
    except NotFound:
        return _lost()
    if held.told is None:
        return redirect(url_for("settings.restore", id=id), 303)
    if not _confirmed("restore"):
        return _restore(held, _type_it()), 422
    try:
        plan = backups().restore(held, held.passphrase)
    except HoldfastError as error:
        return _restore(held, _told(error)), 422
    return _restart(plan)


@AREA.post("/restore/<id>/drop")
@allowed("administrator")
def drop_upload(id: str) -> Answer:
    try:
        backups().drop(backups().upload(id, current().id).id)
    except NotFound:
        return _lost()
    toast(gettext("The file is deleted from the box. Nothing was changed."))
    return redirect(url_for("settings.backup"), 303)


@AREA.post("/restore-undo")
@allowed("administrator")
def undo_restore() -> Answer:
    """Put back what the last restore replaced."""
    if not _confirmed("undo"):
        return _page(wrong={"undo": _type_it()}), 422
    try:
        return _restart(backups().undo(current().id))
    except HoldfastError as error:
        return _page(wrong={"undo": _told(error)}), 409


@AREA.post("/factory-reset")
@allowed("administrator")
def factory_reset() -> Answer:
    if not _confirmed("reset"):
        return _page(wrong={"reset": _type_it()}), 422
    try:
        return _restart(backups().reset(current().id, request.form.get("journal") == "on"))
    except HoldfastError as error:
        return _page(wrong={"reset": _told(error)}), 422


@AREA.get("/restart/<id>")
@open_to_all
def restarted(id: str) -> Response:
    """Whether it is in place, for the page that waits for the box to come back; whoever signed in before may be signed out by it."""
    return jsonify({"waits": backups().waits(id)})


def _restart(plan: Plan) -> Answer:
    log.warning("%s has the box restart with: %s", current().id, plan.says)
    try:
        runs = backups().restart(plan)
    except HoldfastError as error:
        return _page(wrong={"restore": _told(error)}), 409
    return render_template("settings/restart.html", plan=plan, runs=runs)


# ---- words -------------------------------------------------------------------------------------------------------


def file_name() -> str:
    """`tidewater-family-clinic-2025-03-14-1502.holdfast`, by the clock of the site."""
    moment = datetime.fromtimestamp(time.time(), ZoneInfo(place().time_zone()))
    return f"{slug(backups().present(), 'site', {})}-{moment:%Y-%m-%d-%H%M}.holdfast"


def _look(held: Upload, passphrase: str) -> str | None:
    """Look into it. A wrong passphrase can be given again, and stands in `held`; for anything else the file is deleted, and why is the result."""
    try:
        held.told = backups().look_into(held, passphrase)
    except HoldfastError as error:
        if error.code == "wrong-passphrase":
            held.wrong = _told(error)
            return None
        backups().drop(held.id)
        return _told(error)
    held.passphrase, held.wrong = passphrase, ""
    return None


def _confirmed(what: str) -> bool:
    return request.form.get(f"confirm-{what}", "").strip() == _to_type()


def _to_type() -> str:
    return backups().present() or "Holdfast"


def _type_it() -> str:
    return gettext("Type %(name)s to go on. Nothing was changed.", name=_to_type())


def _told(error: HoldfastError) -> str:
    return " ".join(f"{part[:1].upper()}{part[1:].rstrip('.')}." for part in (error.sentence, error.hint) if part)


def _lost() -> tuple[str, int]:
    return _page(wrong={"file": gettext("The file is not on the box any more: it is kept for an hour. Send it again.")}), 404


def _restore(held: Upload, wrong: str = "") -> str:
    now = {"users": len(place().kind("users")), "devices": len(place().kind("devices")), "revision": place().revision()}
    return render_template("settings/restore.html", held=held, told=held.told, wrong=wrong, name=_to_type(), size=size, now_has=now)


def _page(wrong: dict[str, str] | None = None) -> str:
    kept = backups()
    return render_template(
        "settings/backup.html", wrong=wrong or {}, name=_to_type(), most=kept.most_bytes(), most_words=size(kept.most_bytes()), can_undo=kept.can_undo(),
        version=version("holdfast"),
    )  # fmt: skip
