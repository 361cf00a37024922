"""Who asks, and whether they may: sessions, forgery protection, roles. It runs before every request; a view says who may see it, nothing else."""

from __future__ import annotations

import hmac
import logging
import secrets
import time
from collections.abc import Callable, Collection
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Flask, Response, abort, current_app, g, redirect, request, url_for
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Response as AnyResponse

from webui import strangers
from webui.accounts import Account, Accounts
from webui.backups import PATIENT_S, backups
from webui.config import Config
from webui.limits import Limits, source
from webui.sessions import Kept, Preferences, Session, Sessions, csrf_of, hashed

log = logging.getLogger(__name__)

View = TypeVar("View", bound=Callable[..., Any])

# The prefix makes the browser insist on Secure, Path=/ and this very host (RFC 6265bis section 4.1.3.2).
SESSION = "__Host-holdfast"
VISIT = "__Host-holdfast-visit"
"""Ties forms that come before signing in, and forms kept for after it, to the browser."""
DEVICE = "__Host-holdfast-device"
"""Says that somebody signed in with this browser before (OWASP's device cookie); never that he is."""

STAFF = frozenset({"administrator", "installer"})
EVERYBODY = frozenset({"administrator", "installer", "user"})
LARGEST_FIELDS = 4 * 1024 * 1024
DRAINED = 64 * 1024 * 1024
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard:
    """What the guard knows of this application."""

    def __init__(self, config: Config, accounts: Accounts, sessions: Sessions) -> None:
        self.config, self.accounts, self.sessions = config, accounts, sessions
        self.limits = Limits()


def guard() -> Guard:
    found: Guard = current_app.extensions["guard"]
    return found


def set_up(app: Flask, made: Guard) -> None:
    app.extensions["guard"] = made
    app.before_request(_admit)
    app.after_request(_cookies)
    app.jinja_env.globals.update(csrf_token=csrf_token, account=lambda: g.get("account"), theme=lambda: preferences().theme, preferences=preferences)


def open_to_all(view: View) -> View:
    """A view that needs no sign-in. Where it writes, forms and the origin are checked all the same."""
    view.__dict__["open_to_all"] = True
    return view


def unguarded(view: View) -> View:
    """A view with its own way to know who asks (tokens of the API): the guard leaves it alone."""
    view.__dict__["unguarded"] = True
    return view


def allowed(*roles: str) -> Callable[[View], View]:
    """Who may use a view; without it a view of an area is for the area's roles, and any other for STAFF."""

    def mark(view: View) -> View:
        view.__dict__["roles"] = frozenset(roles)
        return view

    return mark


def takes_large(view: View) -> View:
    """A view whose form may hold a file of any size that the disk has room for."""
    view.__dict__["takes_large"] = True
    return view


def take_large() -> int:
    """Let the body of this request be as large as the disk has room for (the bytes of that), arrive slowly, and never be in memory whole. Raises StateError."""
    kept = backups()
    most = request.max_content_length = kept.most_bytes()
    request.upload_folder = kept.folder()  # type: ignore[attr-defined]  # BoxRequest
    sock: Any = request.environ.get("gunicorn.socket")
    if hasattr(sock, "until"):  # webui.server.PatientSocket
        sock.until = time.monotonic() + PATIENT_S
    return most


def current() -> Account:
    """Who is signed in, in a view that is not open to all."""
    account: Account = g.account
    return account


def by_session() -> Account | None:
    """For an unguarded view: who is signed in with this browser. What writes must come from a page of ours, with its token; else 403."""
    _know()
    if g.account is not None and request.method not in SAFE:
        if not _same_origin():
            abort(403, description="origin")
        _check_csrf()
    found: Account | None = g.account
    return found


def preferences() -> Preferences:
    found = g.get("preferences")
    return found if found is not None else Preferences()


def may_see(endpoint: str) -> bool:
    """Whether the one who asks may open `endpoint`: no access, no entry in a menu (row A11)."""
    account = g.get("account")
    view = current_app.view_functions.get(endpoint)
    return account is not None and view is not None and account.role in _roles(endpoint, view)


def csrf_token() -> str:
    """What a form sends back in the field `csrf` (a script: in the header X-CSRF)."""
    return csrf_of(g.token if g.get("account") is not None else visit())


def visit() -> str:
    """The random value this browser is known by before it signs in."""
    if "visit" not in g:
        g.visit = request.cookies.get(VISIT, "") or secrets.token_urlsafe(24)
        g.set_visit = request.cookies.get(VISIT, "") != g.visit
    return str(g.visit)


def by_script() -> bool:
    """Whether holdfast.js asks, and wants no page to sign in on."""
    return request.headers.get("X-Requested-With") == "holdfast" or request.accept_mimetypes.best == "text/event-stream"


def drain() -> None:
    """Read what is still coming, within limits: a browser that is still sending does not listen, and would show that the connection broke."""
    left, body = DRAINED, request.environ["wsgi.input"]
    while left > 0 and (read := body.read(min(left, 65536))):
        left -= len(read)


# ---- before a request --------------------------------------------------------------------------------------------


def _admit() -> AnyResponse | None:
    endpoint = request.endpoint
    view = current_app.view_functions.get(endpoint or "")
    if view is None or endpoint in {"static.file", "static.favicon", "health"} or "unguarded" in view.__dict__:
        return None
    _know()
    if g.account is None or request.mimetype != "multipart/form-data":
        request.max_content_length = LARGEST_FIELDS  # only who is signed in uploads files
    elif "takes_large" in view.__dict__ and g.account.role in _roles(endpoint or "", view):
        take_large()
    if request.method not in SAFE and not _same_origin():
        abort(403, description="origin")
    if "open_to_all" in view.__dict__:
        if request.method not in SAFE:
            _check_csrf()
        return None
    if g.account is None:
        return _to_sign_in()
    if request.method not in SAFE:
        _check_csrf()
    if g.account.role not in _roles(endpoint or "", view):
        abort(403, description="role")
    return None


def _know() -> None:
    """Find out who asks: g.session, g.account, g.token, g.preferences; g.expired is the account of a session that was idle for too long."""
    g.session = g.account = g.expired = g.preferences = None
    g.token = request.cookies.get(SESSION, "")
    watch = guard()
    session = watch.sessions.find(g.token) if g.token else None
    if session is None:
        return
    account = watch.accounts.get(session.account)
    if account is None or not hmac.compare_digest(account.stamp, session.stamp):
        watch.sessions.end(session)
        return
    if session.idle_s > watch.config.idle_s:
        g.expired = account
        watch.sessions.end(session)
        return
    g.session, g.account, g.preferences = session, account, watch.sessions.preferences(account.id)
    # A page that is only left open asks by itself, which is no sign of somebody there.
    if (not by_script() or request.method not in SAFE) and watch.sessions.touch(session) and account.role in STAFF:
        strangers.tell(request.remote_addr or "", signed_in=True)


def _roles(endpoint: str, view: Callable[..., Any]) -> Collection[str]:
    own: Collection[str] | None = view.__dict__.get("roles")
    if own is not None:
        return own
    blueprint = current_app.blueprints.get(endpoint.rpartition(".")[0])
    return getattr(blueprint, "roles", STAFF)


def _same_origin() -> bool:
    """Browsers say where a write comes from; what says nothing is no browser, and the token decides."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        return False
    origin = request.headers.get("Origin")
    return not origin or urlsplit(origin).netloc == request.host


def _check_csrf() -> None:
    sent = request.headers.get("X-CSRF") or request.form.get("csrf", "")
    if not hmac.compare_digest(sent.encode(), csrf_token().encode()):
        abort(403, description="csrf")


def _to_sign_in() -> AnyResponse:
    """To the claim page or the sign-in page; what was typed is kept for afterwards."""
    if by_script():
        return Response("Signed out", 401, content_type="text/plain; charset=utf-8")
    if not guard().accounts.claimed():
        return redirect(url_for("access.claim"), 303)
    path = request.full_path.rstrip("?")
    if request.method in SAFE:
        return redirect(url_for("access.sign_in", next=path), 303)
    try:
        fields = tuple((name, value) for name, value in request.form.items(multi=True) if name != "csrf")
    except RequestEntityTooLarge:  # a file; who is not signed in sends none
        drain()
        fields = ()
    owner = g.expired.id if g.expired is not None else ""
    kept = guard().sessions.keep(Kept(path, owner, fields), visit())
    return redirect(url_for("access.sign_in", next=path, kept=kept), 303)


def kept_form() -> Kept | None:
    """What was typed into this page when the session had ended, to be shown again. Only to the one who typed it."""
    id = request.args.get("kept", "")
    if not id or g.get("account") is None:
        return None
    kept = guard().sessions.kept(id, visit())
    return kept if kept is not None and kept.account in {"", g.account.id} else None


# ---- signing in and out ------------------------------------------------------------------------------------------


def begin(account: Account) -> None:
    """Sign `account` in with this browser; a session it had ends."""
    watch = guard()
    if g.get("session") is not None:
        watch.sessions.end(g.session)
    g.token = watch.sessions.begin(account.id, account.stamp, request.remote_addr or "", request.headers.get("User-Agent", ""))
    g.account, g.session = account, watch.sessions.find(g.token)
    g.preferences = watch.sessions.preferences(account.id)
    g.set_session = g.token
    g.set_device = watch.sessions.remember(account.id, request.cookies.get(DEVICE, ""))
    if account.role in STAFF:
        strangers.tell(request.remote_addr or "", signed_in=True)
    log.info("%s signed in from %s", account.id, request.remote_addr)


def finish(session: Session) -> None:
    """Sign out."""
    guard().sessions.end(session)
    g.account, g.set_session = None, ""


def source_of(account: Account | None) -> str:
    """Whose failures count together: those of a browser that has signed in to `account` before, else those of the address."""
    device = request.cookies.get(DEVICE, "")
    if account is not None and device and guard().sessions.device(device) == account.id:
        return f"device {hashed(device)}"
    return f"address {source(request.remote_addr or '')}"


def _cookies(answer: Response) -> Response:
    for name, value, days in (
        (SESSION, g.get("set_session"), None),
        (VISIT, g.get("visit") if g.get("set_visit") else None, None),
        (DEVICE, g.get("set_device"), 365),
    ):
        if value is None:
            continue
        if value:
            answer.set_cookie(name, value, max_age=days * 86400 if days else None, secure=True, httponly=True, samesite="Lax", path="/")
        else:
            answer.delete_cookie(name, secure=True, httponly=True, samesite="Lax", path="/")
    return answer
