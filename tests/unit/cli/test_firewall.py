"""holdfast firewall, against a control server that answers from a dictionary."""

from __future__ import annotations

import json

from appliance.errors import HoldfastError, NotFound

OPEN = [
    {"what": "trunks", "ports": "5060, 5061", "sources": ["198.51.100.10"], "why": "Your carriers bring calls"},
    {"what": "upkeep", "ports": "", "sources": [], "why": "Ping"},
]
FOUND = {
    "state": "on", "why": "The firewall guards wan", "cure": "", "interfaces": [{"name": "wan", "addresses": ["203.0.113.2/24"], "outside_only": True}],
    "open": OPEN, "turned_away": 7, "of_banned": 3, "banned": 1,
}  # fmt: skip
BAN = {"address": "192.0.2.66", "reason": "password", "since_unix_s": 1.8e9, "ends_unix_s": 1.8e9 + 3600}


def test_status(box):
    box.answers["firewall"] = FOUND
    said = box.run("firewall", "status")
    assert said.exit_code == 0
    for words in ("The firewall guards wan.", "wan (203.0.113.2/24) leads outside only.", "198.51.100.10", "everybody", "7 packets were turned away"):
        assert words in said.output, words
    assert json.loads(box.run("firewall", "status", "--json").output) == FOUND
    box.answers["firewall"] = FOUND | {"state": "failed", "why": "There is no firewall: no right", "cure": "Give it", "open": [], "interfaces": []}
    said = box.run("firewall", "status")
    assert said.exit_code == 1 and "There is no firewall: no right.\n  Give it." in said.output and "turned away" not in said.output


def test_bans(box):
    box.answers["firewall.bans"] = {"bans": [BAN]}
    assert "192.0.2.66" in (said := box.run("firewall", "bans").output) and "guessed SIP passwords" in said
    box.answers["firewall.bans"] = {"bans": []}
    assert box.run("firewall", "bans").output == "Nobody is banned.\n"


def test_ban_and_unban(box):
    box.answers |= {"firewall.ban": BAN, "firewall.unban": {"address": "192.0.2.66"}}
    assert box.run("firewall", "ban", "192.0.2.66", "--minutes", "30").output.startswith("192.0.2.66 is banned until ")
    assert box.run("firewall", "unban", "192.0.2.66").output == "192.0.2.66 is let in again.\n"
    assert [(name, params["address"], params.get("minutes")) for name, params in box.asked] == [
        ("firewall.ban", "192.0.2.66", 30),
        ("firewall.unban", "192.0.2.66", None),
    ]
    assert all(params["by"] for _, params in box.asked)
    box.answers["firewall.ban"] = HoldfastError("10.0.0.1 is not banned: it is on the LAN", "the LAN is never banned", code="kept")
    said = box.run("firewall", "ban", "10.0.0.1")
    assert said.exit_code != 0 and "it is on the LAN" in said.output
    box.answers["firewall.unban"] = NotFound("192.0.2.9 is not banned", "`holdfast firewall bans` lists who is")
    assert "is not banned" in box.run("firewall", "unban", "192.0.2.9").output
