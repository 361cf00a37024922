"""Claiming the box, signing in and out, and what is one's own: password, language, theme, sign-ins."""

from __future__ import annotations

import logging
import re
import time
from hmac import compare_digest
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from flask import Blueprint, Flask, current_app, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from appliance.errors import DocumentError, HoldfastError
from appliance.site import claim as claims
from appliance.site.vault import password_hash
from webui import first_hour, strangers
from webui.areas import Area, home_address
from webui.engine import engine
from webui.guard import EVERYBODY, allowed, begin, current, finish, guard, open_to_all, source_of
from webui.i18n import LANGUAGES, gettext, ngettext
from webui.place import place
from webui.problems import problem_text
from webui.saved import toast
from webui.sessions import Preferences

log = logging.getLogger(__name__)

access = Blueprint("access", __name__)
THEMES = ("", "light", "dark")


def set_up(app: Flask) -> None:
    app.register_blueprint(access)
    app.jinja_env.globals["site_name"] = site_name


def prepare(app: Flask) -> None:
    """Have a claim code before anybody asks, so that the console can show it. A disk that refuses is told by the pages."""
    with app.app_context():
        try:
            if not guard().accounts.claimed():
                claims.make_claim_code(place().data)
        except HoldfastError as error:
            log.error("no claim code could be made: %s (%s)", error.sentence, error.hint)


def site_name() -> str:
    """What the site in force is called. Never raises: it stands on pages about broken disks, too."""
    try:
        site = place().site()
    except HoldfastError:
        site = None
    return site.name if site is not None else "Holdfast"


# ---- claiming ----------------------------------------------------------------------------------------------------


@access.route("/claim", methods=["GET", "POST"])
@open_to_all
def claim() -> Response | str | tuple[str, int]:
    """The first visitor with the code from the console becomes the administrator."""
    if guard().accounts.claimed():
        return redirect(url_for("access.sign_in"), 303)
    code = claims.make_claim_code(place().data)
    if request.method != "POST":
        return render_template("claim.html", errors={})
    errors: dict[str, str] = {}
    who = source_of(None)
    wait_s = guard().limits.wait_s(who, time.monotonic())
    if wait_s > 0:
        return _pause("claim.html", {"code": _wait_words(wait_s)}, wait_s)
    typed = re.sub(r"[^A-Z0-9]", "", request.form.get("code", "").upper())
    if not compare_digest(typed.encode(), code.replace("-", "").encode()):
        guard().limits.failed(who, time.monotonic())
        strangers.tell(request.remote_addr or "", signed_in=False)
        errors["code"] = gettext("This is not the code. It stands where the box was started; `holdfast web claim-code` shows it again.")
    name, id = request.form.get("name", "").strip(), request.form.get("user", "").strip().lower()
    if not name:
        errors["name"] = gettext("Write your name, so that others see who changed what.")
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", id):
        errors["user"] = gettext("Small letters, digits and hyphens, for example: %(example)s", example="dana")
    password = request.form.get("password", "")
    try:
        guard().accounts.judge(f"administrators.{id or 'x'}.password", password)
    except DocumentError as error:
        errors["password"] = _sentence(error)
    if errors:
        return render_template("claim.html", errors=errors), 422
    return _claim(id, name[:80], password)


def _claim(id: str, name: str, password: str) -> Response:
    # One hash for both: the sign-in outlives the commit that makes the account the site's own.
    kept = password_hash(password)
    if not claims.claim(place().data, claims.FirstAccount(id, name, kept)):
        return redirect(url_for("access.sign_in"), 303)
    log.warning("the box was claimed by %s from %s", id, request.remote_addr)
    guard().limits.succeeded(source_of(None))
    account = guard().accounts.get(f"administrators.{id}")
    assert account is not None
    begin(account)
    first_hour.begin()
    # The account holds already; from the next commit on it is the site's own.
    try:
        place().editor(account.author).set(f"administrators.{id}", {"name": name, "role": "administrator", "password": kept})
    except HoldfastError as error:
        log.error("the first administrator could not be put into the site: %s", error)
    return redirect(_first_page(), 303)


def _first_page() -> str:
    """The first hour, where an area for it is there; else home."""
    for area in current_app.extensions["areas"]:
        if isinstance(area, Area) and area.first_hour:
            return url_for(f"{area.name}.index")
    return home_address()


# ---- signing in --------------------------------------------------------------------------------------------------


@access.route("/sign-in", methods=["GET", "POST"])
@open_to_all
def sign_in() -> Response | str | tuple[str, int]:
    if not guard().accounts.claimed():
        return redirect(url_for("access.claim"), 303)
    if request.method != "POST":
        if g.account is not None:
            return redirect(_next(), 303)
        return render_template("sign-in.html", error="", running=engine().state.up)
    watch, name = guard(), request.form.get("user", "")[:200]
    known = watch.accounts.known(name)
    who = source_of(watch.accounts.get(known))
    wait_s = watch.limits.wait_s(who, time.monotonic())
    if wait_s > 0:
        return _pause("sign-in.html", _wait_words(wait_s), wait_s)
    if who.startswith("address"):
        # Many addresses that guess at one account are slowed down together; whoever has the password only waits a moment.
        time.sleep(watch.limits.delay_s(known, time.monotonic()))
    account = watch.accounts.check(name, request.form.get("password", "")[:1000])
    if account is None:
        watch.limits.failed(who, time.monotonic())
        watch.limits.failed(known, time.monotonic())
        strangers.tell(request.remote_addr or "", signed_in=False)
        log.warning("sign-in refused for %s from %s", known, request.remote_addr)
        left = watch.limits.left(who, time.monotonic())
        error = gettext("User name or password is not right. Is Caps Lock on?")
        if left:
            error += " " + ngettext("After one more try there is a pause.", "After %(num)d more tries there is a pause.", left)
        return render_template("sign-in.html", error=error, running=engine().state.up), 422
    watch.limits.succeeded(who)
    watch.limits.succeeded(known)
    begin(account)
    return redirect(_next(), 303)


@access.post("/sign-out")
@allowed(*EVERYBODY)
def sign_out() -> Response:
    finish(g.session)
    return redirect(url_for("access.sign_in"), 303)


def _next() -> str:
    """The page somebody wanted, of this box alone, with what he had typed."""
    wanted = urlsplit(request.args.get("next", ""))
    if not wanted.path.startswith("/") or wanted.path.startswith(("//", "/\\")) or wanted.scheme or wanted.netloc:
        return home_address()
    query = [(name, value) for name, value in parse_qsl(wanted.query) if name != "kept"]
    if kept := request.args.get("kept"):
        query.append(("kept", kept))
    return urlunsplit(("", "", wanted.path, urlencode(query), ""))


def _wait_words(wait_s: float) -> str:
    seconds = int(wait_s) + 1
    return ngettext("Too many tries. Wait one second, then try again.", "Too many tries. Wait %(num)d seconds, then try again.", seconds)


def _pause(template: str, words: str | dict[str, str], wait_s: float) -> Response:
    shown = {"errors": words} if isinstance(words, dict) else {"error": words}
    answer = current_app.make_response((render_template(template, running=engine().state.up, **shown), 429))
    answer.headers["Retry-After"] = str(int(wait_s) + 1)
    return answer


# ---- one's own ---------------------------------------------------------------------------------------------------


@access.get("/account")
@allowed(*EVERYBODY)
def account() -> str:
    return _account({})


@access.post("/account/password")
@allowed(*EVERYBODY)
def password() -> Response | str | tuple[str, int]:
    watch, me = guard(), current()
    who = source_of(me)
    wait_s = watch.limits.wait_s(who, time.monotonic())
    if wait_s > 0:
        return _account({"old": _wait_words(wait_s)}), 429
    if watch.accounts.check(me.key, request.form.get("old", "")[:1000]) != me:
        watch.limits.failed(who, time.monotonic())
        return _account({"old": gettext("This is not your password.")}), 422
    try:
        watch.accounts.set_password(me, request.form.get("new", ""))
    except DocumentError as error:
        return _account({"new": _sentence(error)}), 422
    log.warning("%s has a new password, set from %s", me.id, request.remote_addr)
    renewed = watch.accounts.get(me.id)
    assert renewed is not None
    watch.sessions.end_all(me.id)
    begin(renewed)
    toast(gettext("Password changed. Other browsers are signed out."))
    return redirect(url_for("access.account"), 303)


@access.post("/account/sign-out-everywhere")
@allowed(*EVERYBODY)
def sign_out_everywhere() -> Response:
    ended = guard().sessions.end_all(current().id, but=g.session.id)
    toast(ngettext("One other sign-in is ended.", "%(num)d other sign-ins are ended.", ended))
    return redirect(url_for("access.account"), 303)


@access.post("/account/preferences")
@allowed(*EVERYBODY)
def prefer() -> Response:
    chosen = request.form.get("language", ""), request.form.get("theme", "")
    known = Preferences(chosen[0] if chosen[0] in LANGUAGES else "", chosen[1] if chosen[1] in THEMES else "")
    guard().sessions.prefer(current().id, known)
    return redirect(url_for("access.account"), 303)


def _account(errors: dict[str, str]) -> str:
    sessions = guard().sessions.of(current().id, guard().config.idle_s)
    return render_template("account.html", errors=errors, sessions=sessions, mine=g.session.id)


def _sentence(error: DocumentError) -> str:
    problem = error.problems[0]
    return problem_text(problem)
