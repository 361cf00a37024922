"""The page of alerts: what is typed is saved with its secrets in the vault, mistakes stand at their fields, and a test says why it cannot be."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.pages import Pages
from tests.support.web import office

FORM = {
    "form": "AlertsForm", "kinds": "emergency", "least": "bad", "phone_gone_minutes": "20", "repeat_minutes": "15", "mail.to": "dana@example.org",
    "mail.emergency_to": "", "mail.host": "smtp.example.org", "mail.security": "starttls", "mail.port": "587", "mail.sender": "box@example.org",
    "mail.username": "box", "mail.password": "p", "webhook.url": "", "webhook.secret": "a secret of sixteen",
}  # fmt: skip


def test_the_page_of_alerts(tmp_path: Path) -> None:
    pages = Pages(tmp_path, office())
    at = "/settings/alerts"
    wrong = FORM | {"mail.to": "dana", "mail.sender": "", "webhook.url": "ftp://x", "webhook.secret": "short", "mail.security": "none"}
    shown = pages.post(at, pages.hidden(at) | wrong, page=at)
    for word in ("is not an e-mail address", "a mail server wants to know who sends", "is not a web address", "Is shorter than 16", "for all to read"):
        assert word in shown.words, word
    assert pages.post(at, pages.hidden(at) | FORM, page=at).status == 303
    held = pages.editor().show("alerts").value
    assert (held["kinds"], held["least"], held["mail"]["to"], held["mail"]["host"]) == (["emergency"], "bad", ["dana@example.org"], "smtp.example.org")
    assert "password" not in held["mail"]
    assert {"alerts.mail.password", "alerts.webhook.secret"} <= {change.path for change in pages.editor().pending()}
    shown = pages.post(at, pages.hidden(at) | {"form": "test"}, page=at)
    assert "No test message was sent" in shown.words
    assert "apply your changes first" in shown.words
    assert pages.get(f"{at}/state").text == ""


def test_what_the_engine_says_of_alerts_is_on_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = Pages(tmp_path, office())
    refused = "The mail server smtp.example.org refused the user name or the password: 535 No"
    way = {"how": "mail", "places": ["dana@example.org"], "fault": refused, "cure": "write both as the mail provider gave them"}
    tried = [
        {"how": "mail", "place": "dana@example.org", "ok": False, "sentence": refused, "cure": way["cure"]},
        {"how": "webhook", "place": "https://hooks.example.org", "ok": True, "sentence": "It was taken", "cure": ""},
    ]
    monkeypatch.setattr("webui.areas.settings.alerts.ask", lambda _: {"ways": [way], "waiting": 3, "sent": 2, "given_up": 1})
    monkeypatch.setattr("webui.areas.settings.alerts.engine", lambda: SimpleNamespace(call=lambda *_, **__: {"tried": tried}))
    at = "/settings/alerts"
    words = pages.get(f"{at}/state").words
    assert refused in words
    assert "2 delivered, 3 waiting, 1 given up" in words
    words = pages.post(at, pages.hidden(at) | {"form": "test"}, page=at).words
    assert f"The test message for dana@example.org was not taken. {refused}. Write both as the mail provider gave them." in words
    assert "The test message for https://hooks.example.org was taken." in words
