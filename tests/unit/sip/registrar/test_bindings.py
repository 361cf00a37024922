"""Bindings: order, expiry and what a restart leaves of them, each against a plain model."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from appliance.sip.registrar.bindings import RESTORE_GRACE_S, Binding, Bindings, target
from appliance.sip.registrar.register import Limits, Registrar
from appliance.state.clock import Moment
from tests.support.registering import BOX, PHONE, Device, address, contact, register

DANA = Device()


def binding(port: int = 5060, expires_at: float = 100.0, **more) -> Binding:
    fields = {
        "device": DANA.id,
        "uri": f"sip:dana@192.0.2.20:{port}",
        "received": PHONE,
        "local": BOX,
        "q": None,
        "expires_at": expires_at,
        "call_id": "call-1",
        "cseq": 3,
        "user_agent": "Phone 1.0",
        "registered_at": 0.0,
        "refreshed_at": 0.0,
    }
    return Binding(**(fields | more))


def holding(*held: Binding) -> Bindings:
    bindings = Bindings()
    bindings.replace(DANA.id, held)
    return bindings


def test_order_is_by_q_then_by_the_latest_refresh() -> None:
    bindings = holding(binding(1, q=0.3), binding(2, refreshed_at=1.0), binding(3, refreshed_at=2.0), binding(4, q=0.9, refreshed_at=9.0))
    assert [one.uri[-1] for one in bindings.of(DANA.id, 10.0)] == ["3", "2", "4", "1"]


def test_an_expired_binding_rings_nobody_before_the_sweep_either() -> None:
    bindings = holding(binding(1, 100.0), binding(2, 200.0))
    assert [one.uri[-1] for one in bindings.of(DANA.id, 100.0)] == ["2"]
    assert len(bindings) == 2


def test_a_phone_that_refreshes_for_ever_takes_no_more_room() -> None:
    bindings = Bindings()
    for second in range(0, 100_000, 30):
        bindings.replace(DANA.id, [binding(expires_at=second + 3600.0)])
        assert bindings.sweep(second) == ()
    assert len(bindings._due) <= 2
    assert len(bindings._scheduled) == 1


def test_a_shortened_lifetime_ends_when_it_says() -> None:
    bindings = holding(binding(expires_at=3600.0))
    bindings.replace(DANA.id, [binding(expires_at=60.0)])
    assert [one.expires_at for one in bindings.sweep(60.0)] == [60.0]
    assert bindings.sweep(4000.0) == ()


def test_what_was_removed_does_not_expire_again() -> None:
    bindings = holding(binding(expires_at=60.0))
    bindings.replace(DANA.id, [])
    assert bindings.sweep(100.0) == ()
    bindings.replace(DANA.id, [binding(expires_at=500.0)])
    assert bindings.sweep(100.0) == ()
    assert len(bindings.sweep(500.0)) == 1


def test_target_is_where_the_phone_is_reached() -> None:
    assert target(binding(received=address("198.51.100.7", 4711))) == "sip:dana@198.51.100.7:4711"


# ---- over a restart ----------------------------------------------------------------------------------------------

FIRST, SECOND = "boot-1", "boot-2"
GRACE = RESTORE_GRACE_S


@pytest.mark.parametrize(
    ("left_s", "stored", "lived_until_s", "now", "expected"),
    [  # left when written, when; the latest the box is known to have run then; when read back: left now (None: over)
        (3600.0, Moment(FIRST, 1000.0), 1000.0, Moment(FIRST, 1005.0), 3595.0),  # killed: what passed is gone
        (3600.0, Moment(FIRST, 1000.0), 1000.0, Moment(FIRST, 4000.0), 600.0),
        (3600.0, Moment(FIRST, 1000.0), 1000.0, Moment(FIRST, 4599.0), 1.0),  # no grace: nobody missed anything
        (3600.0, Moment(FIRST, 1000.0), 1000.0, Moment(FIRST, 4600.0), None),
        (3600.0, Moment(FIRST, 1000.0), 1000.0, Moment(FIRST, 9999.0), None),
        (3600.0, Moment(FIRST, 1000.0), 1000.0, Moment(SECOND, 10.0), 3600.0),  # rebooted: as stored, however long it was off
        (3600.0, Moment(FIRST, 1000.0), 3000.0, Moment(SECOND, 10.0), 1600.0),  # it was known to run on for 2,000 s
        (3600.0, Moment(FIRST, 1000.0), 4590.0, Moment(SECOND, 10.0), GRACE),  # nearly over: long enough to ring and to come back
        (20.0, Moment(FIRST, 1000.0), 1000.0, Moment(SECOND, 10.0), GRACE),
        (3600.0, Moment(FIRST, 1000.0), 4600.0, Moment(SECOND, 10.0), None),  # over before the power went: never revived
        (60.0, Moment(FIRST, 1000.0), 9000.0, Moment(SECOND, 10.0), None),
        (3600.0, Moment(FIRST, 1000.0), 1000.0, Moment(SECOND, 99999.0), 3600.0),  # the two clocks are never compared
    ],
)
def test_what_a_restart_leaves(left_s: float, stored: Moment, lived_until_s: float, now: Moment, expected: float | None) -> None:
    old = holding(binding(1, expires_at=500.0 + left_s), binding(2, expires_at=99_999.0))
    mine, other = old.snapshot(500.0, stored)
    if mine.uri[-1] != "1":
        mine, other = other, mine
    (witness,) = (one for one in holding(binding(2, expires_at=99_999.0)).snapshot(500.0, Moment(FIRST, lived_until_s)))
    new = Bindings()
    over = new.restore([mine, witness], 7.0, now)
    found = {one.uri[-1]: one.expires_at - 7.0 for one in new}
    assert found.get("1") == expected
    assert [one.uri[-1] for one in over] == ([] if expected is not None else ["1"])
    assert "2" in found


def test_all_of_a_binding_comes_back() -> None:
    phone = address("2001:db8::7", 5090, "tls")
    written = binding(expires_at=600.0, received=phone, q=0.7, instance="<urn:uuid:a>", reg_id=2, branch="z9", registered_at=40.0, refreshed_at=90.0)
    new = Bindings()
    new.restore(holding(written).snapshot(100.0, Moment(FIRST, 1.0)), 1000.0, Moment(FIRST, 11.0))
    (back,) = new
    assert (back.uri, back.received, back.local, back.q, back.call_id, back.cseq) == (written.uri, written.received, BOX, 0.7, "call-1", 3)
    assert (back.instance, back.reg_id, back.user_agent) == ("<urn:uuid:a>", 2, "Phone 1.0")
    assert (back.expires_at, back.registered_at) == (1490.0, 930.0)


def test_an_expired_binding_is_not_in_the_snapshot() -> None:
    assert holding(binding(expires_at=100.0)).snapshot(100.0, Moment(FIRST, 1.0)) == ()


# ---- against a model ---------------------------------------------------------------------------------------------


class Model(RuleBasedStateMachine):
    """Registrar and bindings against a dictionary of end times and a disk that applies the change records."""

    def __init__(self) -> None:
        super().__init__()
        self.registrar = Registrar(Bindings(), Limits(60, 3600, 3600))
        self.now, self.boottime, self.boot, self.cseq = 0.0, 1000.0, 1, 0
        self.ends: dict[tuple[str, int], float] = {}
        self.disk = {}

    devices = st.sampled_from([Device("dana", max_contacts=8), Device("eve", max_contacts=8)])
    ports = st.integers(1, 6)

    def _moment(self) -> Moment:
        return Moment(f"boot-{self.boot}", self.boottime)

    def _write(self) -> None:
        for change in self.registrar.drain_changes():
            record = change.record(self.now, self._moment()).record
            if change.kind.gone:
                self.disk.pop((record.device, record.uri), None)
            else:
                self.disk[record.device, record.uri] = record

    def _model_live(self) -> dict[tuple[str, int], float]:
        return {key: end for key, end in self.ends.items() if end > self.now}

    @rule(device=devices, wishes=st.dictionaries(ports, st.sampled_from([0, 60, 90, 600, 3600]), min_size=1, max_size=4))
    def registers(self, device: Device, wishes: dict[int, int]) -> None:
        self.cseq += 1
        contacts = [contact(port, user=device.sip_user, expires=seconds) for port, seconds in wishes.items()]
        reply = self.registrar.register(register(*contacts, user=device.sip_user, cseq=self.cseq), device, self.now)
        assert reply.code == 200
        for port, seconds in wishes.items():
            if seconds:
                self.ends[device.sip_user, port] = self.now + seconds
            else:
                self.ends.pop((device.sip_user, port), None)
        assert len(reply.headers) == sum(1 for user, _ in self._model_live() if user == device.sip_user)
        self._write()

    @rule(device=devices)
    def goes_away(self, device: Device) -> None:
        self.cseq += 1
        assert self.registrar.register(register(user=device.sip_user, cseq=self.cseq, star=True, expires=0), device, self.now).code == 200
        self.ends = {key: end for key, end in self.ends.items() if key[0] != device.sip_user}
        self._write()

    @rule(device=devices, port=ports)
    def is_refused(self, device: Device, port: int) -> None:
        self.cseq += 1
        refused = register(contact(port, user=device.sip_user, expires=0), contact(9, expires=59), user=device.sip_user, cseq=self.cseq)
        assert self.registrar.register(refused, device, self.now).code == 423
        self._write()

    @rule(seconds=st.sampled_from([1.0, 30.0, 60.0, 61.0, 600.0, 3600.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.boottime += seconds

    @rule()
    def sweeps(self) -> None:
        self.registrar.sweep(self.now)
        assert len(self.registrar.bindings) == len(self._model_live())
        self._write()
        assert len(self.disk) == len(self._model_live())

    @rule(down=st.sampled_from([0.0, 5.0, 100.0]))
    def is_killed(self, down: float) -> None:
        self.boottime += down
        self.registrar = Registrar(Bindings(), Limits(60, 3600, 3600))
        self.registrar.restore(self.disk.values(), 5.0, self._moment())
        self.ends = {key: 5.0 + (end - self.now - down) for key, end in self._model_live().items() if end - self.now - down > 0}
        self.now = 5.0
        self._write()

    @rule(down=st.sampled_from([30.0, 86_400.0]))
    def loses_power(self, down: float) -> None:
        """What is over when the last row was written stays over; the rest lives, for the grace at least and never longer than it was granted or the grace."""
        lived = max((record.stored.at_s for record in self.disk.values()), default=0.0)
        since = self.boottime - lived
        self.boot += 1
        self.boottime = 20.0
        self.registrar = Registrar(Bindings(), Limits(60, 3600, 3600))
        self.registrar.restore(self.disk.values(), 5.0, self._moment())
        ends = {}
        for (user, port), end in self.ends.items():
            left = end - self.now + since
            if left > 0 and (f"{user}-phone", f"sip:{user}@192.0.2.20:{port}") in self.disk:
                ends[user, port] = 5.0 + max(left, GRACE)
        self.ends, self.now = ends, 5.0
        self._write()

    @invariant()
    def agrees(self) -> None:
        found = {}
        for device in (Device("dana"), Device("eve")):
            for one in self.registrar.bindings.of(device.id, self.now):
                found[device.sip_user, int(one.uri.rpartition(":")[2])] = one.expires_at
        model = self._model_live()
        assert found.keys() == model.keys()
        assert all(abs(found[key] - model[key]) < 1e-3 for key in model)


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
