"""Static files under addresses that hold a hash of their content: a browser keeps them for ever, and a new release is seen at once."""

from __future__ import annotations

import hashlib
import mimetypes
from functools import cache, lru_cache
from pathlib import Path

from flask import Blueprint, Flask, Response, abort, url_for
from markupsafe import Markup

HERE = Path(__file__).resolve().parent
FOR_EVER = "public, max-age=31536000, immutable"

static = Blueprint("static", __name__)


def set_up(app: Flask) -> None:
    """`{{ asset("holdfast.css") }}` is a file of webui/static, `{{ asset("flows/editor.js") }}` one of areas/flows/static."""
    app.register_blueprint(static)
    app.jinja_env.globals.update(asset=asset, sprite=sprite)


def asset(name: str) -> str:
    """The address of a static file."""
    return url_for("static.file", stamp=_stamp(_found(name)), name=name)


@cache
def sprite() -> Markup:
    """Every icon and shape as one hidden SVG, for `<use href="#i-home">`."""
    return Markup((HERE / "static" / "icons.svg").read_text().replace("\n", ""))  # noqa: S704  (ours)


@static.get("/static/<stamp>/<path:name>")
def file(stamp: str, name: str) -> Response:
    path = _found(name)
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    answer = Response(path.read_bytes(), content_type=f"{kind}; charset=utf-8" if kind.startswith("text/") else kind)
    answer.headers["Cache-Control"] = FOR_EVER if stamp == _stamp(path) else "no-cache"
    return answer


@static.get("/favicon.ico")
def favicon() -> Response:
    """Browsers ask for it whatever the page says."""
    return file("", "favicon.svg")


def _found(name: str) -> Path:
    area, _, rest = name.partition("/")
    folder, wanted = (HERE / "areas" / area / "static", rest) if rest else (HERE / "static", name)
    path = folder / wanted
    if not wanted or folder not in path.resolve().parents or not path.is_file():
        abort(404)
    return path


def _stamp(path: Path) -> str:
    return _hash(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=256)
def _hash(path: Path, _changed: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
