"""Events as plain data: what the control socket sends of them."""

from __future__ import annotations

import json

from appliance.events.registration import RefusalReason, Registered, RegistrationRefused
from appliance.events.system import EngineStarted
from appliance.events.wire import to_wire
from appliance.types import Address, DeviceId, Transport


def test_addresses_and_reasons_are_text():
    event = RegistrationRefused(12.5, "dana", Address("2001:db8::1", 5060, Transport.TCP), RefusalReason.WRONG_PASSWORD, 403)
    shape = to_wire(event)
    assert shape["type"] == "RegistrationRefused"
    assert shape["source"] == "tcp:[2001:db8::1]:5060"
    assert shape["reason"] == "wrong-password"
    assert json.loads(json.dumps(shape)) == shape


def test_tuples_are_lists_of_plain_values():
    started = EngineStarted(1.0, "0.1.0", 7, (Address("127.0.0.1", 5060),))
    assert to_wire(started)["addresses"] == ["udp:127.0.0.1:5060"]


def test_every_field_is_there():
    event = Registered(1.0, DeviceId("d"), "u", "sip:u@h", Address("127.0.0.1", 1), 60)
    assert set(to_wire(event)) == {"type", "at_unix_s", "device", "sip_user", "contact", "received", "expires_s", "user_agent", "new"}
