"""The list of phones that asked in vain: whose address is whose, and what can be done."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.pages import Pages
from tests.support.web import office
from webui.areas.phones import settings
from webui.engine import State

MAC, KEY = "805ec0112233", "user-201"
ROW: dict[str, Any] = {
    "mac": MAC, "ip": "192.168.20.57", "family": "yealink", "model": "yealink-t33g", "verdict": "given", "reason": "", "refused_ip": "", "enrolled": True,
    "seen_s": 3.0, "open_s": 0.0, "current": True, "fetched_unix_s": 1.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    made = Pages(tmp_path_factory.mktemp("waiting"), office())
    editor = made.editor()
    key = next(iter(editor.show("devices").value))
    editor.set(f"devices.{key}.mac", settings.pretty(MAC))
    return made


def shown(pages: Pages, **row: Any) -> str:
    with pages.client.application.test_request_context("/phones/"):
        return str(settings.waiting_shown(State(phones={"phones": [ROW | row]}), ""))


def test_a_phone_that_has_its_settings_does_not_wait(pages: Pages) -> None:
    assert MAC[:2] not in shown(pages)
    assert "80:5e" not in shown(pages, verdict="disagrees", reason="no", refused_ip="192.168.20.9")


def test_two_phones_with_one_mac_address(pages: Pages) -> None:
    page = shown(pages, verdict="twice", reason="two", refused_ip="192.168.20.66")
    assert "Asked from 192.168.20.66. The one at 192.168.20.57 has the settings." in page
    assert "Unplug the one that is not yours" in page and "Let it in" in page


def test_a_phone_that_moved_to_a_network_that_is_not_served(pages: Pages) -> None:
    page = shown(pages, verdict="elsewhere", reason="elsewhere", refused_ip="10.9.0.4", open_s=60.0)
    assert "It asks from a network where phones get no settings. Asked from 10.9.0.4." in page
    assert 'href="/phones/networks"' in page and "Let it in" not in page and "has the settings" not in page
    assert "Asked from 192.168.20.57." in shown(pages, verdict="closed", reason="closed", enrolled=False)
