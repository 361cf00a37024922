"""Phones that ask the box for settings, in the browser and over the API: seen, given an owner in two clicks, let in, told to fetch."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.api import Api, refused
from tests.support.proc import wait_until
from tests.support.web import Visitor, Web

MAC = "80:5e:c0:4a:20:19"
BARE = MAC.replace(":", "")
ASK = {
    "ip": "192.168.20.57", "local_ip": "192.168.20.1", "port": 8081, "family": "yealink", "model": "yealink-t33g", "written": "SIP-T33G", "firmware": "124.86",
    "protocol": "http", "agree": True, "event": "check-sync;reboot=false",
}  # fmt: skip


@pytest.fixture
def dana(web: Web) -> Visitor:
    visitor = Visitor(web)
    visitor.sign_in()
    return visitor


def asks(web: Web, mac: str = BARE, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = web.box.rpc("phones.first", **{**ASK, "mac": mac, **more})
    return found


def page(dana: Visitor) -> str:
    return dana.get("/phones/").text


def test_a_waiting_phone_gets_an_owner_in_two_clicks(web: Web, dana: Visitor) -> None:
    assert asks(web)["phone"] is None
    asks(web, "0004f2000001", family="<script>", model="", written="<b>VVX</b>", event="")
    wait_until(lambda: MAC in page(dana), 15, "the phone on the page")
    shown = page(dana)
    assert "Yealink T33G" in shown and "2 phones wait" in shown and "Nobody&#39;s yet." in shown
    assert "<script>" not in shown.split("<main", 1)[1] and "&lt;script&gt;" in shown
    device = next(iter(web.editor().show("devices").value))
    done = dana.post(f"/phones/waiting/{MAC}/assign", {"device": device}, page="/phones/")
    assert done.status == 303
    assert web.editor().show(f"devices.{device}").value["mac"] == MAC
    assert "not applied" in page(dana)
    listed = next(row for row in web.box.rpc("phones.list")["phones"] if row["mac"] == BARE)
    assert listed["open_s"] > 800
    wait_until(lambda: "May take its settings now" in page(dana), 15, "the open window on the page")

    web.editor().set("provisioning", {"networks": ["192.168.20.0/24"]})
    web.editor().commit("its owner")
    web.box.rpc("site.activate")
    told = asks(web)
    assert told["phone"]["lines"][0]["user"] == web.editor().show(f"devices.{device}").value["sip_user"]
    token = told["phone"]["url"].split("/p/")[1].rstrip("/")
    assert web.box.rpc("phones.settings", **ASK, mac=BARE, token=token)["phone"]["lines"] == told["phone"]["lines"]
    wait_until(lambda: "As set" in page(dana), 15, "the phone is as set")
    assert "As set" in dana.get(f"/phones/devices/{device}").text


def test_bad_input_is_named_and_changes_nothing(web: Web, dana: Visitor) -> None:
    before = web.editor().show("").value
    for mac, device in ((MAC, "nobody"), (MAC, ""), ("nonsense", "user-201")):
        assert dana.post(f"/phones/waiting/{mac}/assign", {"device": device}, page="/phones/").status == 303
        assert "Choose whose phone it is." in page(dana)
    assert web.editor().show("").value == before


def test_over_the_api(web: Web) -> None:
    api = Api(web)
    asks(web, "c074ad000001", family="grandstream")
    rows = {row["mac"]: row for row in api.ok("GET", "/desk-phones")["items"]}
    assert (rows["c074ad000001"]["verdict"], rows["c074ad000001"]["device"]) == ("unknown", "")
    assert api.ok("POST", "/desk-phones/enrol", {"mac": "C0-74-AD-00-00-01", "minutes": 2})["mac"] == "c074ad000001"
    assert 0 < next(row for row in api.ok("GET", "/desk-phones")["items"] if row["mac"] == "c074ad000001")["open_s"] <= 120
    assert api.ok("POST", "/desk-phones/sync", {"macs": ["c074ad000001"]}) == {"told": ["c074ad000001"], "taken": []}
    assert api.ok("POST", "/desk-phones/forget", {"mac": "c074ad000001"})["open_s"] == 0
    refused(api.post("/desk-phones/enrol", {"mac": "nonsense"}), 422, "document")
    refused(Api(web, "read").post("/desk-phones/enrol", {}), 403)
