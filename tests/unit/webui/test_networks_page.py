"""The page of the networks whose phones are served."""

from __future__ import annotations

from pathlib import Path

from tests.support.pages import Pages
from tests.support.web import office


def test_the_page_of_networks(tmp_path: Path) -> None:
    pages, at = Pages(tmp_path, office()), "/phones/networks"
    shown = pages.post(at, pages.hidden(at) | {"form": "NetworksForm", "networks": "192.168.20.0/24\n0.0.0.0/0\n192.168.20.0/24"}, page=at)
    assert "is not a network of phones" in shown.words and "is listed already" in shown.words
    assert "0.0.0.0/0" in shown.text, "nothing typed is lost"
    shown = pages.post(at, pages.hidden(at) | {"form": "NetworksForm", "networks": "the office"}, page=at)
    assert shown.status != 303 and "the office" in shown.text
    assert pages.post(at, pages.hidden(at) | {"form": "NetworksForm", "networks": "192.168.20.0/24\nfd00:20::/64"}, page=at).status == 303
    assert pages.editor().show("provisioning").value["networks"] == ["192.168.20.0/24", "fd00:20::/64"]
    assert "Changed, not applied" in pages.get(at).words
    assert pages.post(at, pages.hidden(at) | {"form": "NetworksForm", "networks": ""}, page=at).status == 303
    assert pages.editor().show("provisioning").value["networks"] == []
