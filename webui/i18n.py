"""Languages of the pages: which one a request is answered in, and the catalogues, read from their .po files as they are."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Any

import flask_babel
from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask import Flask, current_app, g, has_request_context, request
from flask_babel import Babel, Domain, get_locale

LANGUAGES = {"en": "English", "fr": "Français", "it": "Italiano", "sv": "Svenska"}
FOLDER = Path(__file__).resolve().parent / "translations"


def gettext(text: str, /, **values: Any) -> str:
    """`text` in the language of the request, with its holes `%(name)s` filled."""
    return str(flask_babel.gettext(text, **values))


def ngettext(one: str, many: str, num: int, /, **values: Any) -> str:
    """`one` or `many`, or what the language has, for `num` things; its hole is `%(num)d`."""
    return str(flask_babel.ngettext(one, many, num, **values))


def lazy_gettext(text: str, /, **values: Any) -> Any:
    """For text outside of a request: translated when it is shown."""
    return flask_babel.lazy_gettext(text, **values)


class PoDomain(Domain):  # type: ignore[misc]  # flask_babel has no types
    """Reads `translations/<language>/LC_MESSAGES/messages.po` when a language is first asked for; nothing is compiled on disk."""

    def __init__(self) -> None:
        super().__init__(str(FOLDER))
        self._lock = threading.Lock()
        self._read: dict[str, NullTranslations] = {}

    def get_translations(self) -> NullTranslations:
        language = str(get_locale() or "en").partition("_")[0]
        with self._lock:
            if language not in self._read:
                self._read[language] = _read(language)
            return self._read[language]


def set_up(app: Flask) -> None:
    babel = Babel()
    babel.domain_instance = PoDomain()
    babel.init_app(app, locale_selector=language, timezone_selector=_time_zone)
    app.jinja_env.globals.update(language=language, languages=LANGUAGES)
    app.jinja_env.policies["ext.i18n.trimmed"] = True


def language() -> str:
    """The person's choice, else what the browser asks for."""
    if not has_request_context():
        return "en"
    chosen = getattr(g, "preferences", None)
    if chosen is not None and chosen.language in LANGUAGES:
        return str(chosen.language)
    return request.accept_languages.best_match(list(LANGUAGES), "en") or "en"


def sort_key(text: str) -> Any:
    """Order by the rules of the language, as far as Europe's go: case and accents come second, Swedish å ä ö last."""
    import unicodedata  # noqa: PLC0415

    folded = text.casefold()
    if language() == "sv":
        folded = folded.translate({ord("å"): "{a", ord("ä"): "{b", ord("ö"): "{c"})
    return "".join(c for c in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(c)), text


def _time_zone() -> str:
    place = current_app.extensions.get("place")
    return str(place.time_zone()) if place is not None else "UTC"


def _read(language: str) -> NullTranslations:
    path = FOLDER / language / "LC_MESSAGES" / "messages.po"
    if not path.is_file():
        return NullTranslations()
    with path.open("rb") as file:
        catalogue = read_po(file, Locale(language))
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)
