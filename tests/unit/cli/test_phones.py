"""holdfast phones: who asked, from where, and where somebody asked in his name."""

from __future__ import annotations

ROW = {
    "mac": "805ec0112233", "ip": "192.168.20.57", "family": "yealink", "model": "T33G", "firmware": "124", "protocol": "http", "device": "ada-desk",
    "verdict": "given", "reason": "", "refused_ip": "", "asked": 3, "seen_s": 5.0, "enrolled": True, "open_s": 0.0, "fetched_unix_s": 1.0, "current": True,
}  # fmt: skip


def test_both_addresses_of_two_phones_with_one_mac_address(box):
    box.answers["phones.list"] = {"phones": [ROW], "open_s": 0.0, "networks": ["192.168.20.0/24"]}
    said = box.run("phones", "list").output
    assert "Phones get settings in 192.168.20.0/24." in said and "`holdfast site commit`" in said
    assert "192.168.20.57" in said and "has its settings" in said and " and 192" not in said
    two = ROW | {"verdict": "twice", "reason": "two phones say they have this MAC address", "refused_ip": "192.168.20.66"}
    box.answers["phones.list"] = {"phones": [two], "open_s": 0.0, "networks": ["192.168.20.0/24"]}
    said = box.run("phones", "list").output
    assert "192.168.20.57 and 192.168.20.66" in said and "two phones say" in said
