"""The catalogues: every translation has the holes of its original, and is what the pages show."""

import re

import pytest
from babel import Locale
from babel.messages.pofile import read_po

from webui.app import create_app
from webui.config import Config
from webui.i18n import FOLDER, LANGUAGES, gettext, ngettext, sort_key

TRANSLATED = [language for language in LANGUAGES if language != "en"]
HOLE = re.compile(r"%(?:\(\w+\))?[a-z%]")


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_translation_can_break_a_page(language):
    with (FOLDER / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        catalogue = read_po(file, Locale(language))
    wrong, seen = [], 0
    for message in catalogue:
        if not message.id:
            continue
        seen += 1
        several = isinstance(message.id, tuple | list)
        originals = message.id if several else [message.id]
        for text in message.string if several else [message.string]:
            known = {hole for original in originals for hole in HOLE.findall(original)}
            if not set(HOLE.findall(text)) <= known:
                wrong.append((message.id, text))
    assert wrong == []
    assert seen > 200


@pytest.mark.parametrize(
    ("accepts", "users", "two"), [("sv-SE,sv", "Användare", "2 telefoner"), ("fr", "Utilisateurs", "2 téléphones"), ("de", "Users", "2 phones")]
)
def test_the_browser_is_answered_in_its_language(tmp_path, accepts, users, two):
    with create_app(Config(tmp_path, tmp_path / "none")).test_request_context(headers={"Accept-Language": accepts}):
        assert gettext("Users") == users
        assert ngettext("%(num)d phone", "%(num)d phones", 2) == two


def test_swedish_letters_come_last(tmp_path):
    names = ["Åsa", "Zoë", "anna", "Örjan", "Ärla", "Émile"]
    app = create_app(Config(tmp_path, tmp_path / "none"))
    with app.test_request_context(headers={"Accept-Language": "sv"}):
        assert sorted(names, key=sort_key) == ["anna", "Émile", "Zoë", "Åsa", "Ärla", "Örjan"]
    with app.test_request_context(headers={"Accept-Language": "fr"}):
        assert sorted(names, key=sort_key) == ["anna", "Ärla", "Åsa", "Émile", "Örjan", "Zoë"]
