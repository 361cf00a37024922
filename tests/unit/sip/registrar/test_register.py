"""The registrar: RFC 3261 section 10.3, item by item, and phones as they are."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from appliance.sip.messages import Contact, Reply
from appliance.sip.registrar.bindings import Bindings
from appliance.sip.registrar.register import Limits, Registrar
from appliance.state.clock import Moment
from appliance.state.records import ChangeKind
from tests.support.registering import Device, address, contact, register

DANA = Device()
NOW = 1000.0
A, B = "sip:dana@192.0.2.20:5060", "sip:dana@192.0.2.20:5061"


@pytest.fixture
def registrar() -> Registrar:
    return Registrar(Bindings(), Limits(60, 3600, 1800))


def listed(reply: Reply) -> dict[str, int]:
    """The contacts of a 200 with their seconds."""
    assert reply.code == 200, reply
    found = {}
    for name, value in reply.headers:
        assert name == "Contact"
        match = re.match(r"<(.+)>;expires=(\d+)", value)
        assert match
        found[match[1]] = int(match[2])
    return found


def changed(registrar: Registrar) -> list[tuple[str, str]]:
    return [(change.kind.value, change.binding.uri) for change in registrar.drain_changes()]


# ---- lifetimes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameter", "header", "granted"),
    [(None, None, 1800), (600, None, 600), (None, 700, 700), (600, 700, 600), (60, None, 60), (3600, None, 3600), (4294967295, None, 3600)],
)
def test_lifetime_granted(registrar: Registrar, parameter: int | None, header: int | None, granted: int) -> None:
    reply = registrar.register(register(contact(expires=parameter), expires=header), DANA, NOW)
    assert listed(reply) == {A: granted}


def test_too_short_a_lifetime_is_423_with_the_shortest_granted(registrar: Registrar) -> None:
    reply = registrar.register(register(contact(5060), contact(5061, expires=59)), DANA, NOW)
    assert (reply.code, reply.headers) == (423, (("Min-Expires", "60"),))
    assert not len(registrar.bindings)


def test_remaining_seconds_fall_and_end(registrar: Registrar) -> None:
    registrar.register(register(contact(expires=60)), DANA, NOW)
    assert listed(registrar.register(register(cseq=2), DANA, NOW + 20.3)) == {A: 40}
    assert listed(registrar.register(register(cseq=2), DANA, NOW + 59.9)) == {A: 1}
    assert listed(registrar.register(register(cseq=2), DANA, NOW + 60)) == {}


def test_expired_ones_are_reported_once_by_sweep_or_by_the_next_register(registrar: Registrar) -> None:
    registrar.register(register(contact(5060, expires=60), contact(5061, expires=70)), DANA, NOW)
    registrar.drain_changes()
    registrar.sweep(NOW + 59)
    assert changed(registrar) == []
    registrar.sweep(NOW + 60)
    assert changed(registrar) == [("expired", A)]
    registrar.register(register(cseq=2), DANA, NOW + 70)
    assert changed(registrar) == [("expired", B)]
    registrar.sweep(NOW + 71)
    assert changed(registrar) == []


# ---- adding, fetching, removing ----------------------------------------------------------------------------------


def test_several_contacts_with_q_in_one_request(registrar: Registrar) -> None:
    reply = registrar.register(register(contact(5060, q=0.5), contact(5061, q=1.0), contact(5062)), DANA, NOW)
    assert reply.headers == (
        ("Contact", "<sip:dana@192.0.2.20:5061>;expires=1800;q=1"),
        ("Contact", "<sip:dana@192.0.2.20:5062>;expires=1800"),
        ("Contact", "<sip:dana@192.0.2.20:5060>;expires=1800;q=0.5"),
    )


def test_fetch_answers_all_and_changes_nothing(registrar: Registrar) -> None:
    registrar.register(register(contact(5060)), DANA, NOW)
    registrar.register(register(contact(5061), call_id="call-2"), DANA, NOW)
    registrar.drain_changes()
    assert set(listed(registrar.register(register(call_id="call-3", expires=0), DANA, NOW))) == {A, B}
    assert changed(registrar) == []


def test_expires_0_removes_that_contact(registrar: Registrar) -> None:
    registrar.register(register(contact(5060), contact(5061)), DANA, NOW)
    registrar.drain_changes()
    assert set(listed(registrar.register(register(contact(5060, expires=0), cseq=2), DANA, NOW))) == {B}
    assert changed(registrar) == [("removed", A)]
    assert set(listed(registrar.register(register(contact(5070), expires=0, cseq=3), DANA, NOW))) == {B}


def test_one_request_may_remove_and_add(registrar: Registrar) -> None:
    registrar.register(register(contact(5060)), DANA, NOW)
    assert set(listed(registrar.register(register(contact(5060, expires=0), contact(5061), cseq=2), DANA, NOW))) == {B}


def test_star_removes_all(registrar: Registrar) -> None:
    registrar.register(register(contact(5060), contact(5061)), DANA, NOW)
    registrar.drain_changes()
    assert listed(registrar.register(register(star=True, expires=0, cseq=2), DANA, NOW)) == {}
    assert sorted(changed(registrar)) == [("removed", A), ("removed", B)]


@pytest.mark.parametrize("wrong", [{"expires": None}, {"expires": 60}, {"expires": 0, "contacts": (contact(5061),)}], ids=str)
def test_star_goes_alone_and_with_expires_0(registrar: Registrar, wrong: dict) -> None:
    registrar.register(register(contact()), DANA, NOW)
    assert registrar.register(replace(register(cseq=2, star=True), **wrong), DANA, NOW).code == 400
    assert set(listed(registrar.register(register(cseq=3), DANA, NOW))) == {A}


def test_devices_do_not_see_each_other(registrar: Registrar) -> None:
    registrar.register(register(contact()), DANA, NOW)
    eve = Device("eve", extension="4001")
    assert listed(registrar.register(register(user="eve"), eve, NOW)) == {}
    assert listed(registrar.register(register(user="eve", star=True, expires=0, cseq=9), eve, NOW)) == {}
    assert set(listed(registrar.register(register(cseq=2), DANA, NOW))) == {A}


# ---- order of requests -------------------------------------------------------------------------------------------


def test_a_retransmission_is_answered_again_and_changes_nothing(registrar: Registrar) -> None:
    request = register(contact(expires=600))
    registrar.register(request, DANA, NOW)
    registrar.drain_changes()
    assert listed(registrar.register(request, DANA, NOW + 4)) == {A: 596}
    assert changed(registrar) == []


def test_a_retransmission_with_another_contact_does_not_bring_it_in(registrar: Registrar) -> None:
    request = register(contact())
    registrar.register(request, DANA, NOW)
    assert set(listed(registrar.register(replace(request, contacts=(contact(6666),)), DANA, NOW))) == {A}


@pytest.mark.parametrize("cseq", [4, 5])
def test_a_cseq_that_does_not_rise_is_refused(registrar: Registrar, cseq: int) -> None:
    registrar.register(register(contact(expires=600), cseq=5), DANA, NOW)
    for late in (register(contact(expires=0), cseq=cseq, branch="z9hG4bK-late"), register(star=True, expires=0, cseq=cseq, branch="z9hG4bK-late")):
        assert registrar.register(late, DANA, NOW).code == 500
    assert listed(registrar.register(register(contact(expires=700), cseq=6), DANA, NOW)) == {A: 700}


def test_a_late_request_for_another_contact_of_the_call_id_is_refused_too(registrar: Registrar) -> None:
    registrar.register(register(contact(5061), cseq=5), DANA, NOW)
    assert registrar.register(register(contact(5060), cseq=4), DANA, NOW).code == 500


def test_another_call_id_starts_its_own_count(registrar: Registrar) -> None:
    registrar.register(register(contact(expires=600), cseq=500), DANA, NOW)
    assert listed(registrar.register(register(contact(expires=700), cseq=1, call_id="after-reboot"), DANA, NOW)) == {A: 700}


# ---- all or nothing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        (Contact("tel:+15551234"), "tel:+15551234"),
        (Contact("sip:dana@ho st"), "sip:dana@ho?st"),
        (Contact("sip:x@host\r\nEvil: 1"), "sip:x@host??Evil:?1"),
        (contact(5061, q=1.5), "sip:dana@192.0.2.20:5061"),
        (contact(5061, expires=-5), "sip:dana@192.0.2.20:5061"),
    ],
    ids=["tel", "space", "line-break", "q", "negative"],
)
def test_a_bad_contact_is_named_and_nothing_is_applied(registrar: Registrar, bad: Contact, named: str) -> None:
    registrar.register(register(contact(5060)), DANA, NOW)
    registrar.drain_changes()
    reply = registrar.register(register(contact(5060, expires=0), contact(5062), bad, cseq=2), DANA, NOW)
    assert reply.code == 400
    assert named in reply.reason
    assert "\r" not in reply.reason
    assert changed(registrar) == []
    assert set(listed(registrar.register(register(cseq=3), DANA, NOW))) == {A}


def test_more_contacts_than_allowed_in_one_request_are_refused(registrar: Registrar) -> None:
    reply = registrar.register(register(*(contact(5060 + number) for number in range(5))), DANA, NOW)
    assert reply.code == 403
    assert not len(registrar.bindings)


def test_over_the_limit_the_contact_refreshed_longest_ago_goes(registrar: Registrar) -> None:
    two = replace(DANA, max_contacts=2)
    registrar.register(register(contact(5060), call_id="a"), two, NOW)
    registrar.register(register(contact(5061), call_id="b"), two, NOW + 1)
    registrar.register(register(contact(5060), call_id="a", cseq=2), two, NOW + 2)
    registrar.drain_changes()
    reply = registrar.register(register(contact(5062), call_id="c"), two, NOW + 3)
    assert set(listed(reply)) == {A, "sip:dana@192.0.2.20:5062"}
    assert changed(registrar) == [("added", "sip:dana@192.0.2.20:5062"), ("replaced", B)]


def test_two_requests_at_one_instant_do_not_pass_the_limit(registrar: Registrar) -> None:
    one = replace(DANA, max_contacts=1)
    registrar.register(register(contact(5060)), one, NOW)
    assert set(listed(registrar.register(register(contact(5061), cseq=2), one, NOW))) == {B}


# ---- who ---------------------------------------------------------------------------------------------------------


@pytest.mark.row("E4")
@pytest.mark.parametrize("to_user", ["dana", "Dana", "dana@pbx.example", "4000"])
def test_own_address_of_record(registrar: Registrar, to_user: str) -> None:
    assert registrar.register(register(contact(), to_user=to_user), DANA, NOW).code == 200


@pytest.mark.parametrize("to_user", ["eve", "", "4001", "@pbx.example"])
def test_no_one_elses(registrar: Registrar, to_user: str) -> None:
    assert registrar.register(register(contact(), to_user=to_user), replace(DANA, extension=""), NOW).code == 403
    assert not len(registrar.bindings)


def test_an_extension_required_is_refused_by_name(registrar: Registrar) -> None:
    reply = registrar.register(register(contact(), header=lambda name: "outbound,\r\n path" if name == "Require" else ""), DANA, NOW)
    assert (reply.code, reply.headers) == (420, (("Unsupported", "outbound, path"),))


# ---- refresh, move, instances ------------------------------------------------------------------------------------


def test_what_changed_is_told_apart(registrar: Registrar) -> None:
    def kinds(**more) -> list[str]:
        registrar.register(register(contact(q=more.pop("q", None)), **more), DANA, NOW + more["cseq"])
        return [kind for kind, _ in changed(registrar)]

    assert kinds(cseq=1) == ["added"]
    assert kinds(cseq=2) == ["refreshed"]
    assert kinds(cseq=3, source=address(port=40000)) == ["moved"]
    assert kinds(cseq=4, source=address(port=40000), q=0.5) == ["moved"]
    assert kinds(cseq=5, source=address(port=40000), q=0.5) == ["refreshed"]
    (binding,) = registrar.bindings.of(DANA.id, NOW + 10)
    assert (binding.registered_at, binding.refreshed_at) == (NOW + 1, NOW + 5)
    assert binding.received == address(port=40000)


def test_another_spelling_of_the_same_contact_replaces_it(registrar: Registrar) -> None:
    registrar.register(register(Contact("sip:dana@HOST.example")), DANA, NOW)
    registrar.drain_changes()
    assert set(listed(registrar.register(register(Contact("sip:d%61na@host.example;x=1"), cseq=2), DANA, NOW))) == {"sip:d%61na@host.example;x=1"}
    assert changed(registrar) == [("replaced", "sip:dana@HOST.example"), ("moved", "sip:d%61na@host.example;x=1")]


def instance(port: int, name: str, reg_id: int | None = None, quoted: bool = True) -> Contact:
    value = f'"<urn:uuid:{name}>"' if quoted else f"<urn:uuid:{name}>"
    params = (("+SIP.Instance", value),) + ((("reg-id", str(reg_id)),) if reg_id is not None else ())
    return replace(contact(port), params=params)


def test_instance_and_reg_id_name_the_contact(registrar: Registrar) -> None:
    registrar.register(register(instance(5060, "a", 1), call_id="one"), DANA, NOW)
    registrar.register(register(instance(5061, "a", 2, quoted=False), call_id="two"), DANA, NOW)
    registrar.drain_changes()
    reply = registrar.register(register(instance(5062, "a", 1), call_id="three"), DANA, NOW)
    assert set(listed(reply)) == {B, "sip:dana@192.0.2.20:5062"}
    assert ("Contact", '<sip:dana@192.0.2.20:5062>;expires=1800;+sip.instance="<urn:uuid:a>";reg-id=1') in reply.headers
    assert changed(registrar) == [("replaced", A), ("added", "sip:dana@192.0.2.20:5062")]


def test_an_instance_that_comes_back_with_a_new_call_id_has_restarted(registrar: Registrar) -> None:
    registrar.register(register(instance(5060, "a")), DANA, NOW)
    registrar.register(register(instance(5070, "b"), call_id="softphone"), DANA, NOW)
    reply = registrar.register(register(instance(5061, "a"), call_id="after-reboot"), DANA, NOW)
    assert set(listed(reply)) == {B, "sip:dana@192.0.2.20:5070"}


def test_one_call_id_may_register_several_contacts_of_one_instance(registrar: Registrar) -> None:
    reply = registrar.register(register(instance(5060, "a"), instance(5061, "a")), DANA, NOW)
    assert set(listed(reply)) == {A, B}


@pytest.mark.parametrize("value", ["", "urn:uuid:a", '"<a>b<c>"', '<a"b>', "<a\r\nb>", "<" + "a" * 200 + ">"])
def test_an_instance_that_could_break_a_header_is_left_out(registrar: Registrar, value: str) -> None:
    reply = registrar.register(register(replace(contact(), params=(("+sip.instance", value), ("reg-id", "1")))), DANA, NOW)
    assert reply.headers == (("Contact", f"<{A}>;expires=1800"),)


# ---- off the wire ------------------------------------------------------------------------------------------------


def test_a_device_that_left_the_document_is_forgotten(registrar: Registrar) -> None:
    registrar.register(register(contact()), DANA, NOW)
    registrar.drain_changes()
    registrar.forget(DANA.id)
    assert changed(registrar) == [("removed", A)]
    assert not len(registrar.bindings)


def test_restore_reports_what_the_disk_must_forget_and_what_it_must_learn_anew() -> None:
    before = Registrar(Bindings())
    before.register(register(contact(expires=60), call_id="short"), DANA, 0.0)
    before.register(register(contact(5061, expires=3600), call_id="long"), DANA, 0.0)
    before.register(register(contact(5070, user="eve"), user="eve"), Device("eve"), 0.0)
    records = [change.record(0.0, Moment("boot-1", 50.0)).record for change in before.drain_changes()]

    killed = Registrar(Bindings())
    assert killed.restore(records, 5.0, Moment("boot-1", 150.0), lambda device: device == DANA.id) == 1
    assert sorted(changed(killed)) == [("expired", A), ("removed", "sip:eve@192.0.2.20:5070")]
    assert listed(killed.register(register(cseq=2), DANA, 5.0)) == {B: 3500}

    rebooted = Registrar(Bindings())
    assert rebooted.restore(records, 5.0, Moment("boot-2", 20.0)) == 3
    changes = rebooted.drain_changes()
    assert {change.kind for change in changes} == {ChangeKind.REFRESHED}
    again = {record.record.uri: record.record for record in (change.record(5.0, Moment("boot-2", 20.0)) for change in changes)}
    assert (again[A].remaining_s, again[A].stored) == (300.0, Moment("boot-2", 20.0))


def test_after_a_kill_the_phones_own_retransmission_is_not_out_of_order() -> None:
    before = Registrar(Bindings())
    request = register(contact(expires=600), cseq=7)
    before.register(request, DANA, 0.0)
    records = [change.record(0.0, Moment("boot-1", 50.0)).record for change in before.drain_changes()]
    after = Registrar(Bindings())
    after.restore(records, 1.0, Moment("boot-1", 51.0))
    assert listed(after.register(request, DANA, 1.0)) == {A: 599}
    assert after.register(replace(request, cseq=6), DANA, 1.0).code == 500
    assert listed(after.register(replace(request, cseq=8), DANA, 2.0)) == {A: 600}
