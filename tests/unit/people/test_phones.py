"""Who may have settings: windows, enrolment, made-up addresses, what is kept over a restart."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.people.phones import ENROL_S, MOST_STRANGERS, Ask, Phones

MAC = "805ec0112233"
ASK = Ask(MAC, "192.168.1.20", "yealink", "yealink-t33g", "SIP-T33G", "124", "http", agree=True, event="check-sync;reboot=false")


def phones() -> Phones:
    return Phones(b"k" * 32)


def test_nobody_gets_anything_unless_let_in() -> None:
    desk = phones()
    assert desk.judge(ASK, known=True, enabled=True, now=0) == "closed"
    desk.open(MAC, 0)
    assert desk.judge(ASK, known=True, enabled=True, now=ENROL_S - 1) == "given"
    assert desk.judge(ASK, known=True, enabled=True, now=ENROL_S) == "closed"
    assert desk.judge(replace(ASK, mac="805ec0112234"), known=True, enabled=True, now=1) == "closed"


def test_a_window_for_everybody() -> None:
    desk = phones()
    desk.open("", 0, 60)
    assert desk.judge(ASK, known=True, enabled=True, now=59) == "given"
    assert desk.judge(ASK, known=False, enabled=True, now=1) == "unknown"
    assert desk.judge(ASK, known=True, enabled=False, now=1) == "off"
    assert desk.judge(replace(ASK, agree=False), known=True, enabled=True, now=1) == "disagrees"


def test_who_was_let_in_fetches_again_but_never_from_another_address() -> None:
    desk = phones()
    desk.note(ASK, "given", 0)
    desk.told(MAC, "d1", 1)
    assert desk.judge(ASK, known=True, enabled=True, now=1e6) == "given"
    assert desk.judge(replace(ASK, agree=False), known=True, enabled=True, now=1e6) == "disagrees"
    desk.forget(MAC)
    assert desk.judge(ASK, known=True, enabled=True, now=1e6) == "closed"


def test_which_phones_are_behind() -> None:
    desk = phones()
    for mac in (MAC, "0004f2aabbcc"):
        desk.note(replace(ASK, mac=mac), "given", 0)
        desk.told(mac, "old", 1)
    assert desk.stale({MAC: "new", "0004f2aabbcc": "old"}) == [MAC]
    assert desk.stale({}) == []


def test_less_said_is_not_less_known() -> None:
    desk = phones()
    desk.note(ASK, "given", 0)
    seen = desk.note(Ask(MAC, "192.168.1.20", "yealink", protocol="tftp", agree=True), "given", 5)
    assert (seen.model, seen.firmware, seen.event, seen.asked, seen.first_unix_s) == ("yealink-t33g", "124", "check-sync;reboot=false", 2, 0)


def test_made_up_addresses_push_out_strangers_and_not_phones() -> None:
    desk = phones()
    desk.note(ASK, "given", 0)
    desk.told(MAC, "d", 0)
    for number in range(MOST_STRANGERS + 50):
        desk.note(Ask(f"{number:012x}", "10.0.0.1"), "unknown", number)
    assert len(desk.seen()) == MOST_STRANGERS + 1
    assert desk.last(MAC) is not None
    assert desk.seen()[0].mac == f"{MOST_STRANGERS + 49:012x}"


def test_secrets_are_each_phones_own_and_stay() -> None:
    one, two = phones(), Phones(b"x" * 32)
    assert one.token(MAC) == phones().token(MAC)
    assert len({one.token(MAC), one.token("0004f2aabbcc"), two.token(MAC)}) == 3
    assert len(one.token(MAC)) == 32
    assert one.admin_password(MAC) == phones().admin_password(MAC) != two.admin_password(MAC)
    assert len(one.admin_password(MAC)) == 12


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([MAC, "0004f2aabbcc", "c074ad445566"]), st.booleans()), max_size=20))
def test_what_is_kept_comes_back(events: list[tuple[str, bool]]) -> None:
    desk = phones()
    for serial, (mac, taken) in enumerate(events):
        desk.note(replace(ASK, mac=mac), "given", serial)
        if taken:
            desk.told(mac, f"d{serial}", serial)
    again = phones()
    again.restore(json.loads(json.dumps(desk.dump())))
    assert (again.seen(), again.enrolled) == (desk.seen(), desk.enrolled)


def test_a_large_fleet_is_remembered_whole() -> None:
    desk = phones()
    for number in range(MOST_STRANGERS + 200):
        mac = f"{number:012x}"
        desk.note(replace(ASK, mac=mac), "given", number)
        desk.told(mac, "old", number)
    assert len(desk.stale({seen.mac: "new" for seen in desk.seen()})) == MOST_STRANGERS + 200


def test_who_asks_in_anothers_name_changes_nothing_of_what_is_known() -> None:
    desk = phones()
    desk.note(ASK, "given", 0)
    desk.told(MAC, "d", 0)
    seen = desk.note(Ask(MAC, "192.168.1.66", "poly", "poly-vvx-450", event="check-sync"), "disagrees", 9)
    assert (seen.ip, seen.family, seen.event, seen.verdict, seen.last_unix_s) == ("192.168.1.20", "yealink", "check-sync;reboot=false", "disagrees", 9)


def test_who_is_forgotten_is_shut_out_at_once() -> None:
    desk = phones()
    desk.open(MAC, 0)
    desk.forget(MAC)
    assert desk.judge(ASK, known=True, enabled=True, now=1) == "closed"


def test_a_network_that_is_not_served() -> None:
    desk = phones()
    desk.open(MAC, 0)
    assert desk.judge(ASK, known=True, enabled=True, now=1, served=False) == "elsewhere"
    assert desk.judge(ASK, known=False, enabled=True, now=1, served=False) == "unknown"


def test_the_same_phone_at_two_addresses_while_every_phone_is_let_in() -> None:
    desk, other = phones(), replace(ASK, ip="192.168.1.66")
    desk.open("", 0, 60)
    desk.let_in(ASK, 1)
    assert desk.judge(ASK, known=True, enabled=True, now=2) == "given"
    assert desk.judge(other, known=True, enabled=True, now=2) == "twice"
    desk.open(MAC, 2, 10)
    assert desk.judge(other, known=True, enabled=True, now=3) == "given", "somebody let this very phone in"
    assert desk.judge(other, known=True, enabled=True, now=61) == "given", "it only got another IP address"
    desk.open("", 62, 60)
    assert desk.judge(other, known=True, enabled=True, now=63) == "given"


def test_a_password_on_its_way() -> None:
    desk = phones()
    assert desk.offered(MAC, "old") == ""
    desk.open(MAC, 0, 60)
    desk.let_in(ASK, 1)
    assert desk.due == {MAC}
    desk.offer(MAC, "old")
    new = desk.offered(MAC, "old")
    assert len(new) == 24 and not desk.due
    desk.let_in(ASK, 2)
    assert not desk.due, "it fetches what it was offered"
    assert desk.offered(MAC, "set by hand meanwhile") == "" and desk.offered(MAC, new) == ""
    again = phones()
    again.restore(json.loads(json.dumps(desk.dump())))
    assert again.offered(MAC, "old") == new
    assert new not in json.dumps(desk.dump()) and "old" not in json.dumps(desk.dump())
    again.offer(MAC, "old")
    assert again.offered(MAC, "old") not in {"", new}
    former = phones()
    former.restore({name: kept for name, kept in desk.dump().items() if name in {"enrolled", "seen"}})
    assert former.enrolled == {MAC} and not former.offers, "as an earlier version wrote it"


def test_another_phone_in_the_name_of_one_that_is_signed_in() -> None:
    desk, other, live = phones(), replace(ASK, ip="192.168.1.66"), {ASK.ip, "192.168.1.90"}
    desk.open(MAC, 0, 10)
    desk.note(ASK, "given", 1)
    desk.let_in(ASK, 1)
    desk.told(MAC, "d", 1)
    again = phones()
    again.restore(json.loads(json.dumps(desk.dump())))
    for each in (desk, again):
        assert each.judge(ASK, known=True, enabled=True, now=1e6, live=live) == "given"
        assert each.judge(other, known=True, enabled=True, now=1e6, live=live) == "twice", "also after a restart"
        assert each.judge(other, known=True, enabled=True, now=1e6, live={"192.168.1.90"}) == "given", "its old registration is over: it only moved"
        assert each.judge(other, known=True, enabled=True, now=1e6, live={other.ip}) == "given", "it has signed in where it is now"
    desk.open(MAC, 1e6, 10)
    assert desk.judge(other, known=True, enabled=True, now=1e6 + 1, live=live) == "given", "somebody let this very phone in"


def test_two_phones_stay_two_until_one_is_let_in_forgotten_or_given_its_settings() -> None:
    def two() -> Phones:
        desk = phones()
        desk.note(ASK, "given", 0)
        desk.told(MAC, "d", 0)
        desk.note(other, "twice", 1)
        (seen,) = desk.twice(1)
        assert (seen.ip, seen.refused_ip, seen.model) == (ASK.ip, other.ip, ASK.model)
        return desk

    other = replace(ASK, ip="192.168.1.66", model="yealink-t54w")
    desk = two()
    desk.note(replace(other, ip="192.168.1.67"), "disagrees", 2)
    assert [(seen.verdict, seen.refused_ip) for seen in desk.twice(2)] == [("twice", other.ip)]
    desk.open("", 3, 10)
    assert desk.twice(4), "that every phone is let in says nothing of these two"
    desk.open(MAC, 5, 10)
    assert not desk.twice(6)
    assert desk.twice(16), "nobody came"
    desk = two()
    desk.note(other, "given", 2)
    assert not desk.twice(3) and desk.seen()[0].refused_ip == "" and desk.seen()[0].ip == other.ip
    desk = two()
    desk.forget(MAC)
    assert not desk.twice(3)


def test_who_is_forgotten_begins_anew_also_while_every_phone_is_let_in() -> None:
    desk = phones()
    desk.open("", 0, 60)
    desk.let_in(ASK, 1)
    desk.forget(MAC)
    assert desk.judge(replace(ASK, ip="192.168.1.66"), known=True, enabled=True, now=2) == "given"
