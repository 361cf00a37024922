"""What went wrong, for programs: problem details (RFC 9457) of every error under /api."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Response, request
from werkzeug.exceptions import HTTPException

from appliance.control.client import RemoteError
from appliance.errors import Conflict, ControlError, DocumentError, HoldfastError, NotFound, StateError

log = logging.getLogger(__name__)

MEDIA = "application/problem+json"

_STATUS = {
    "nothing-to-commit": 409, "nothing-to-confirm": 409, "pending": 409, "busy": 409, "minutes": 422, "situation": 422, "vault": 422, "worker": 503,
    "not-found": 404, "emergency-number": 422, "number": 422, "page": 422, "text": 422, "protocol": 422,
    "address": 422, "nft": 503, "netd-away": 503, "state": 503, "voicemail-disk": 503, "timeout": 503, "closed": 503,
}  # fmt: skip
"""Code of an error -> status, where its kind alone does not say it."""
_HINTS = {
    400: "see /api/v1/ for what this address takes",
    404: "see /api/v1/ for the addresses there are",
    405: "see /api/v1/ for what this address takes",
    413: "send less",
}
_FORGED = {"csrf": "send the page's token in the header X-CSRF, or use a token of the API", "origin": "browsers send Origin: it must be this box"}


class Refused(HoldfastError):
    """An answer that is a refusal, with its status."""

    def __init__(self, status: int, code: str, sentence: str, hint: str = "", *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence, hint, code=code)
        self.status, self.headers = status, dict(headers or {})


def asked() -> bool:
    """Whether a program asks, which wants no page."""
    return request.path == "/api" or request.path.startswith("/api/")


def problem(error: Exception) -> Response:
    """The answer for any error. A mistake of ours is logged under a mark that the answer names."""
    if isinstance(error, HTTPException):
        return _of_http(error)
    if isinstance(error, HoldfastError):
        return _of_ours(error)
    mark = secrets.token_hex(4)
    log.error("%s %s failed (%s)", request.method, request.path, mark, exc_info=error)
    return answer(500, "bug", "Something went wrong here", f"it is a mistake of the box: its log has the details under the mark {mark}")


def status_of(error: HoldfastError) -> int:
    """The HTTP status an error of the appliance is told with."""
    match error:
        case Refused():
            return error.status
        case Conflict():
            return 412 if request.headers.get("If-Match") or request.headers.get("If-None-Match") else 409
        case NotFound():
            return 404
        case DocumentError():
            return 422
        case StateError():
            return 503
        case RemoteError():
            return _STATUS.get(error.code, 409)
        case ControlError():
            return 503
    return _STATUS.get(error.code, 422)


def answer(status: int, code: str, detail: str, hint: str = "", headers: Mapping[str, str] | None = None, **more: Any) -> Response:
    """A problem document. `code` is stable, for programs; `detail` and `hint` are for people."""
    shape = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "code": code, "detail": detail, "hint": hint, "problems": [], **more}
    return Response(json.dumps(shape), status, headers=dict(headers or {}), content_type=MEDIA)


def _of_ours(error: HoldfastError) -> Response:
    status = status_of(error)
    said, more = error.as_dict(), {}
    if isinstance(error, Conflict):
        more["conflict"] = {name: said[name] for name in ("path", "theirs", "yours", "base", "version")}
    if problems := said.get("problems"):
        more["problems"] = problems
    if status >= 500:
        log.warning("%s %s: %s (%s)", request.method, request.path, error.sentence, error.hint)
    return answer(status, error.code, error.sentence, error.hint, error.headers if isinstance(error, Refused) else None, **more)


def _of_http(error: HTTPException) -> Response:
    if isinstance(error.response, Response):  # a redirect to the same address, written properly
        return error.response
    status = error.code or 500
    phrase = HTTPStatus(status).phrase
    if status == 403 and error.description in _FORGED:
        return answer(status, str(error.description), "This was not sent by a page of this box", _FORGED[error.description])
    headers = {name: value for name, value in error.get_headers() if name in {"Allow", "Retry-After"}}
    detail = f"There is no {request.path}" if status == 404 else phrase
    return answer(status, phrase.lower().replace(" ", "-"), detail, _HINTS.get(status, ""), headers)
