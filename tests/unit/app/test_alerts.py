"""What of the box's news becomes an alert: phones that stay away, lines that are down, the machine's checks."""

import logging
import time
from types import SimpleNamespace

import pytest

from appliance.app.alerts import AlertService
from appliance.events.bus import Bus
from appliance.events.registration import Gone, Registered, Unregistered
from appliance.events.system import Alarm, HealthChanged
from appliance.site.model.alerts import KINDS, Alerts
from appliance.types import Address

FROM = Address("192.0.2.7", 5060)
DANA = SimpleNamespace(display_name="Dana Webb", sip_user="201", extension="201", enabled=True)


class Told:
    """An alert service on a bus, with a clock of the test's own."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr("appliance.app.alerts.time", SimpleNamespace(monotonic=lambda: self.now, time=time.time))
        self.bus = Bus()
        snapshot = SimpleNamespace(site=SimpleNamespace(alerts=Alerts(phone_gone_minutes=15)), devices={"dana-desk": DANA})
        self.service = AlertService(SimpleNamespace(bus=self.bus, snapshot=snapshot))
        self.service.subscribe()

    def gone(self, last=True):
        self.bus.publish(Unregistered(1.0, "dana-desk", "201", "sip:201@192.0.2.7", Gone.EXPIRED, last))

    def back(self):
        self.bus.publish(Registered(1.0, "dana-desk", "201", "sip:201@192.0.2.7", FROM, 3600))

    def after(self, seconds=0.0):
        self.now += seconds
        self.service._miss_phones()
        return [(b.kind, b.over, m.sentence) for b in self.service._fold.due(self.now, 0.0, KINDS, "look") for m in b.matters]


@pytest.fixture
def told(monkeypatch):
    return Told(monkeypatch)


def test_a_phone_is_missed_once_when_it_stays_away_and_its_return_is_told_once(told, caplog):
    caplog.set_level(logging.INFO)
    told.gone()
    assert told.after(14 * 60) == []
    assert told.after(60) == [("phone", False, "The phone Dana Webb (201) has been away for 15 min")]
    assert told.after(3600) == []
    told.back()
    assert told.after() == [("phone", True, "The phone Dana Webb (201) is back")]
    told.back()
    assert told.after(60) == []
    assert [record.message for record in caplog.records] == ["The phone Dana Webb (201) has been away for 15 min", "The phone Dana Webb (201) is back"]


def test_a_phone_that_starts_afresh_or_has_another_contact_is_not_missed(told):
    told.gone()
    told.now += 600
    told.back()
    told.gone(last=False)
    assert told.after(3600) == []


def test_a_phone_that_was_switched_off_in_the_site_is_not_missed(told, monkeypatch):
    told.gone()
    monkeypatch.setattr(DANA, "enabled", False)
    assert told.after(3600) == []


def test_lines_and_checks_are_told_with_their_own_words(told):
    told.bus.publish(Alarm(1.0, "trunk-down:acme", "The trunk Acme is down: 503", "check the carrier"))
    told.bus.publish(HealthChanged(1.0, "temperature", "bad", "ok", "The processor is at 85 °C", "Give it air"))
    told.bus.publish(HealthChanged(1.0, "certificate-web", "look", "ok", "The certificate of these pages is valid for 20 days more", "Replace it"))
    told.bus.publish(Alarm(1.0, "alerts-mail", "Alerts are not delivered", "check"))
    assert sorted(told.after()) == [
        ("certificate", False, "The certificate of these pages is valid for 20 days more"),
        ("machine", False, "The processor is at 85 °C"),
        ("trunk", False, "The trunk Acme is down: 503"),
    ]
    told.bus.publish(Alarm(2.0, "trunk-down:acme", "The trunk Acme is down: 503", "check the carrier", cleared=True))
    assert told.after(1) == [("trunk", True, "The trunk Acme is down: 503")]
