"""Commands to the SIP thread: a hundred at once leave room for the messages in between."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from appliance.errors import SipError
from appliance.sip import endpoint as module
from appliance.sip.endpoint import BURST, SipEndpoint
from appliance.types import Transport


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Any:
    """One without its thread; `wakes` and `restarts` count what it asks of the library."""
    lib = SimpleNamespace(wakes=0, refused={"127.0.0.1"}, tried=[], hf_event=lambda *_: 0)

    def wake() -> None:
        lib.wakes += 1

    def restart(transport: int, ip: bytes, port: int) -> int:
        lib.tried.append(ip.decode())
        return -1 if ip.decode() in lib.refused else 0

    lib.hf_wake, lib.hf_tls_restart = wake, restart
    monkeypatch.setattr(module, "lib", lib)
    made: Any = SipEndpoint.__new__(SipEndpoint)
    made._commands, made._woken, made._numbers, made._legs = module.deque(), False, (None,) * 4, {}
    made.media, made.config = SimpleNamespace(collect=lambda: None), SimpleNamespace(tls_port=5061)
    made.lib = lib
    return made


def test_a_burst_is_taken_in_pieces_in_order(endpoint: Any) -> None:
    done: list[int] = []
    for n in range(100):
        endpoint.post(done.append, n)
    endpoint.run_posted()
    assert done == list(range(BURST)), "then the poll has its turn"
    while endpoint._commands:
        endpoint.run_posted()
    assert done == list(range(100))
    assert endpoint.lib.wakes == 1
    endpoint.post(done.append, 100)
    assert endpoint.lib.wakes == 2, "the next one wakes it again"


def test_a_tls_port_that_stays_closed_keeps_no_other_from_opening(endpoint: Any) -> None:
    ips = ("127.0.0.1", "127.0.0.2")
    endpoint._transports = {(ip, Transport.TLS): n for n, ip in enumerate(ips)}
    endpoint._lan = dict.fromkeys(endpoint._transports)
    with pytest.raises(SipError, match=r"5061/tls on 127.0.0.1 could not"):
        endpoint._renew_tls()
    assert endpoint.lib.tried == list(ips)
    endpoint.lib.refused.clear()
    endpoint._renew_tls()
