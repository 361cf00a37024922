"""Programs that look for boxes to abuse are answered as anybody is, and the firewall hears of them; an emergency call of one goes out."""

from __future__ import annotations

import pytest

from appliance.sip.admission import Admitted
from tests.unit.sip.test_admission import Port

AGENT = "friendly-scanner"


@pytest.mark.parametrize("method", ["OPTIONS", "REGISTER", "INVITE"])
def test_they_are_noted(method: str) -> None:
    port = Port()
    usual = Port().ask(method, user_agent="Yealink SIP-T46U 108.86.0.20")
    assert port.ask(method, user_agent=AGENT).code == usual.code  # type: ignore[union-attr]
    assert [(refused.reason, refused.method) for refused in port.refusals] == [("scanner", method)]


@pytest.mark.parametrize("agent", ["", "Yealink SIP-T46U 108.86.0.20", "Grandstream HT802 1.0.41.5", "PolyEdge-E350/8.1.2", "snomD785/10.1.169.13", "Asterisk"])
def test_phones_are_not(agent: str) -> None:
    port = Port()
    for method in ("OPTIONS", "REGISTER", "INVITE"):
        port.ask(method, user_agent=agent)
    assert port.refusals == []


def test_an_emergency_call_is_an_emergency_call() -> None:
    port = Port()
    admitted = port.ask("INVITE", "911", user_agent=AGENT)
    assert isinstance(admitted, Admitted) and admitted.emergency and port.refusals == []
