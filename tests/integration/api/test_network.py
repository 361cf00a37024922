"""A look at the network and a test call over a trunk, over the API."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.api import Api, refused
from tests.support.carrier import Carrier, answer
from tests.support.proc import wait_until
from tests.support.sites import add_trunk
from tests.support.web import Web, office


@pytest.fixture(scope="module")
def carrier() -> Iterator[Carrier]:
    with Carrier("127.0.0.2") as made:
        made.plan = [answer()]
        yield made


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory, carrier: Carrier) -> Iterator[Web]:
    with Web(tmp_path_factory.mktemp("api"), add_trunk(office(1), "acme", carrier.ip, carrier.port, health_seconds=0), engine=True) as made:
        yield made


def test_the_network_is_told_to_whoever_may_read(api: Api, client: Callable[..., Api]) -> None:
    found = api.ok("GET", "/network")
    assert {"127.0.0.1"} <= {own["address"] for own in found["addresses"] if own["served"]}
    refused(client("calls").get("/network"), 403, "scope")


def test_a_trunk_is_tried_out(api: Api, client: Callable[..., Api], carrier: Carrier) -> None:
    refused(api.post("/line-tests", {"trunk": "acme", "to": "911"}), 422, "emergency-number")
    refused(api.post("/line-tests", {"trunk": "acme", "to": "no number"}), 422, "number")
    refused(api.post("/line-tests", {"trunk": "nobody", "to": "+12025550177"}), 404, "not-found")
    refused(api.post("/line-tests", {"trunk": "ACME/..", "to": "+12025550177"}), 422, "document")
    refused(client("read").post("/line-tests", {"trunk": "acme", "to": "+12025550177"}), 403, "scope")
    assert not carrier.calls
    begun = api.post("/line-tests", {"trunk": "acme", "to": "+1 202 555 0177"})
    assert (begun.status_code, begun.headers["Location"], begun.json()["to"]) == (202, "/api/v1/status", "+12025550177")
    call = carrier.wait_call()
    wait_until(lambda: api.ok("GET", "/status")["line_test"]["state"] == "answered", 10.0, "answered in the status")
    wait_until(lambda: call.rtp.heard() > 50, 10.0, "a second of the sentence")
    call.hangup()
    wait_until(lambda: api.ok("GET", "/status")["line_test"]["state"] == "ended", 10.0, "the end in the status")


def test_a_drill_is_refused_with_its_reason_where_there_can_be_none(api: Api, client: Callable[..., Api]) -> None:
    """This engine runs without netd; tests/integration/network/test_drill.py has the real one."""
    assert api.ok("GET", "/wan/drill")["last"] is None
    refused(client("read", "calls").post("/wan/drill", {"seconds": 30}), 403, "scope")
    refused(api.post("/wan/drill", {"seconds": 5}), 422, "document")
    refused(api.post("/wan/drill", {"seconds": 30, "interface": "lan"}), 422, "document")
    refused(api.post("/wan/drill", {"seconds": 30}), 409, "unable")
    refused(api.delete("/wan/drill"), 409, "idle")
    assert "netd" in api.ok("GET", "/wan/drill")["unable"]
