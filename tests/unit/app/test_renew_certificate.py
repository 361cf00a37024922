"""A new certificate for SIP over TLS: what cannot be served is an alarm, raised on the loop, and never told as done."""

from __future__ import annotations

import asyncio
import socket
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.app import wiring
from appliance.app.wiring import Box
from appliance.errors import HoldfastError, SipError
from appliance.events.bus import Bus
from appliance.types import Address, Transport


def box(renew: Any) -> Any:
    made: Any = Box.__new__(Box)
    made.loop, made.alarms, made.alarm_since, made.bus = asyncio.get_running_loop(), {}, {}, Bus()
    made.settings, made.snapshot = SimpleNamespace(data=None, bind=()), SimpleNamespace(site=SimpleNamespace(domain="d"))
    made.endpoint = SimpleNamespace(config=SimpleNamespace(tls=("a", "a")), renew_tls=renew, listening=())
    made.threads, made._tasks, made._opening = [], set(), None
    made.bus.publish = lambda event: made.threads.append(threading.current_thread())
    return made


async def fine() -> None:
    pass


async def closed() -> None:
    raise SipError("Port 5061/tls on 127.0.0.1 could not be opened again", "restart the box")


def test_a_full_disk_leaves_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError("disk full")

    async def run() -> None:
        home = box(fine)
        monkeypatch.setattr(wiring, "sip_certificate", full)
        with pytest.raises(HoldfastError, match="old certificate"):
            await home.renew_certificate()
        assert "disk full" in home.alarms["tls"].sentence
        assert "is off" not in home.alarms["tls"].sentence
        monkeypatch.setattr(wiring, "sip_certificate", lambda *_: "sip.pem")
        assert await home.renew_certificate()
        assert not home.alarms
        assert set(home.threads) == {threading.main_thread()}

    asyncio.run(run())


def test_a_port_that_stays_closed_is_an_alarm_until_it_opens_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        tried: list[str] = []
        home = box(closed)
        monkeypatch.setattr(wiring, "sip_certificate", lambda *_: "sip.pem")
        monkeypatch.setattr(wiring, "backoff_s", lambda *_: 0.0)
        with pytest.raises(SipError):
            await home.renew_certificate()
        assert "5061/tls" in home.alarms["tls-closed"].sentence
        with pytest.raises(SipError):
            await home.renew_certificate()
        assert len(home._tasks) == 1, "it is tried by one"

        async def third() -> None:
            tried.append("")
            if len(tried) < 3:
                await closed()

        home.endpoint.renew_tls = third
        await home._opening
        assert len(tried) == 3
        assert not home.alarms

    asyncio.run(run())


def test_a_port_the_library_says_is_open_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        home = box(fine)
        monkeypatch.setattr(wiring, "sip_certificate", lambda *_: "sip.pem")
        monkeypatch.setattr(wiring, "backoff_s", lambda *_: 0.05)
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))  # and does not listen
            home.endpoint.listening = (Address(*held.getsockname(), Transport.TLS),)
            with pytest.raises(SipError, match="could not be opened again"):
                await home.renew_certificate()
            assert home.alarms
            held.listen()
            await home._opening
            assert not home.alarms

    asyncio.run(run())
