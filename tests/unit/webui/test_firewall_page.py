"""The page of the firewall: what is open and who is banned, in words; what is typed is saved, and what is wrong stands at its field."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.errors import ControlError
from tests.support.pages import Pages
from tests.support.web import PASSWORD, office
from webui.api.v1.caller import Caller
from webui.app import create_app
from webui.areas.lines import firewall
from webui.config import Config

AT, DANA = "/lines/firewall", "Dana Whitcomb (dana)"
FORM = {"form": "FirewallForm", "enabled": "on", "safe_networks": "203.0.113.0/24\n198.51.100.7", "ban_minutes": "30", "outside": "eth1"}
OPEN = [
    {"what": "trunks", "ports": "5060, 5061", "sources": [f"198.51.100.{i}" for i in range(15)], "why": "Your carriers bring calls"},
    {"what": "sound", "ports": "20000-27999/udp", "sources": [], "why": "Sound"},
    {"what": "upkeep", "ports": "", "sources": [], "why": "Upkeep"},
]
FOUND: dict[str, Any] = {
    "state": "on", "why": "The firewall guards wan", "cure": "", "interfaces": [{"name": "wan", "addresses": ["203.0.113.2/24"], "outside_only": True}],
    "open": OPEN, "turned_away": 4711, "of_banned": 12, "banned": 1,
}  # fmt: skip
BAN = {"address": "2001:db8:1:2::/64", "reason": "scanner", "since_unix_s": 0.0, "ends_unix_s": time.time() + 600}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    return Pages(tmp_path_factory.mktemp("firewall"), office())


def says(monkeypatch: pytest.MonkeyPatch, found: dict[str, Any] | None, bans: list[Any] | None = None) -> None:
    """What the engine answers; None: nothing."""

    def ask(method: str) -> Any:
        if found is None:
            raise ControlError("The box does not answer")
        return {"bans": bans or []} if method == "firewall.bans" else found

    monkeypatch.setattr(firewall, "ask", ask)


def test_what_is_open_and_who_is_banned(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, FOUND, [BAN])
    words = pages.get(AT).words
    for said in ("Your carriers", "198.51.100.0, ", "and 3 more", "20000-27999/udp", "everybody", "wan leads outside only", "4,711", "2001:db8:1:2::/64",
                 "A program that looks for boxes to abuse", "Let in"):  # fmt: skip
        assert said in words, said
    says(monkeypatch, FOUND | {"interfaces": [{"name": "eth0", "addresses": [], "outside_only": False}]})
    words = pages.get(AT).words
    assert "eth0 leads outside, and the LAN is there, too" in words and "Nobody is banned" in words


@pytest.mark.parametrize(
    ("state", "said"),
    [("off", "Everybody who can reach this box"), ("nothing", "No way leads outside"), ("failed", "Give netd its right. See that a router does it.")],
)
def test_where_there_is_none(pages: Pages, monkeypatch: pytest.MonkeyPatch, state: str, said: str) -> None:
    cure = "Give netd its right. See that a router does it" if state == "failed" else ""
    says(monkeypatch, FOUND | {"state": state, "open": [], "interfaces": [], "cure": cure})
    words = pages.get(AT).words
    assert said in words and "Ban an address" not in words


def test_an_engine_that_is_away(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, None)
    shown = pages.get(AT)
    assert "does not say how the firewall is" in shown.words and f'data-load="{AT}/now"' in shown.text
    part = pages.get(f"{AT}/now", X_Requested_With="holdfast")
    assert "does not say" in part.words and "data-load" not in part.text, "it would ask for ever"


def test_settings(pages: Pages) -> None:
    wrong = FORM | {"safe_networks": "203.0.113.5/24\n0.0.0.0/0", "ban_minutes": "0", "outside": "a name"}
    words = pages.post(AT, wrong).words
    for said in ("The network of that address is", "0 is too small", "is not the name of a network interface", "large part of the internet"):
        assert said in words, said
    assert pages.post(AT, FORM).status == 303
    held = pages.editor().show("firewall").value
    assert held["safe_networks"] == ["203.0.113.0/24", "198.51.100.7/32"] and (held["enabled"], held["sip_open"], held["ban_minutes"]) == (True, False, 30)
    assert "Changed, not applied" in pages.get(AT).words


def test_banning_and_letting_in(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str, str]] = []

    def call(method: str, address: str, by: str) -> dict[str, str]:
        asked.append((method, address, by))
        if address.startswith("10."):
            raise ControlError("10.0.0.1 is not banned: it is on the LAN", "the LAN is never banned")
        return {"address": address}

    says(monkeypatch, FOUND, [BAN])
    monkeypatch.setattr(firewall, "engine", lambda: SimpleNamespace(call=call))
    assert pages.post(AT, {"form": "ban", "address": " 192.0.2.7 "}).status == 303
    assert "192.0.2.7 is banned." in pages.get(AT).words
    assert pages.post(AT, {"form": "unban", "address": "2001:db8:1:2::"}).status == 303
    assert "is let in again" in pages.get(AT).words
    assert asked == [("firewall.ban", "192.0.2.7", DANA), ("firewall.unban", "2001:db8:1:2::", DANA)]
    monkeypatch.setattr(firewall, "current", lambda: SimpleNamespace(author="D" * 120))
    assert pages.post(AT, {"form": "ban", "address": "192.0.2.7"}).status == 303
    assert len(asked[-1][2]) == 80, "as much as the engine takes"
    shown = pages.post(AT, {"form": "ban", "address": "10.0.0.1"})
    assert shown.status == 422 and "it is on the LAN. The LAN is never banned." in shown.words and 'value="10.0.0.1"' in shown.text


def test_the_engine_is_told_who_signs_in_and_who_guesses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, bool]] = []
    monkeypatch.setattr("webui.strangers.Teller.tell", lambda _, address, signed_in: told.append((address, signed_in)))
    pages = Pages(tmp_path, office())
    assert told == [("127.0.0.1", True)]
    pages.client.delete_cookie("__Host-holdfast", domain="localhost")
    assert pages.post("/sign-in", {"user": "dana", "password": "guess"}).status == 422
    assert told[1:] == [("127.0.0.1", False)]
    pages.client.delete_cookie("__Host-holdfast", domain="localhost")
    assert pages.post("/sign-in", {"user": "user-201", "password": PASSWORD}).status in {303, 422}
    assert all(signed_in is False for _, signed_in in told[1:]), "who is no administrator has no such shelter"


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8:1:2::/64", "2001:db8:1:2::%2F64"])
def test_who_is_let_in_over_the_api_stands_as_the_list_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    asked: list[tuple[str, str, int]] = []
    monkeypatch.setattr("webui.api.v1.operation.gate", lambda: SimpleNamespace(admit=lambda scope: Caller("T" * 120, frozenset({scope}))))
    monkeypatch.setattr("webui.api.v1.firewall.ask_engine", lambda method, address, by: asked.append((method, address, len(by))))
    answer = create_app(Config(tmp_path, tmp_path / "none.sock")).test_client().delete(f"/api/v1/firewall/bans/{address}")
    assert (answer.status_code, asked) == (204, [("firewall.unban", address.replace("%2F", "/"), 80)])
