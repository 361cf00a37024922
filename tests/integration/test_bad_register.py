"""Registration under hostile and clumsy clients: passwords, unknown users, replays, repeats, lifetimes, removal, floods."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.box import Box
from tests.support.proc import wait_until
from tests.support.rawsip import BRANCH, RawPeer
from tests.support.sipmsg import Message, authorization, challenge_of, sdp, token
from tests.support.sites import make_site, secret
from tests.support.wellbeing import assert_serves, own_address, register


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with Box(tmp_path_factory.mktemp("register"), make_site(8)) as running:
        yield running


@pytest.fixture
def peer() -> Iterator[RawPeer]:
    with RawPeer(own_address()) as raw:
        yield raw


def domain(box: Box) -> str:
    return f"sip:{box.sip[0]}:{box.sip[1]}"


def challenge(box: Box, peer: RawPeer, extension: str) -> dict[str, str]:
    reply = peer.request("REGISTER", domain(box), box.sip, to_uri=box.uri(extension), from_uri=box.uri(extension))
    assert reply.status == 401
    return challenge_of(reply)


def signed(box: Box, peer: RawPeer, extension: str, value: str, **more: object) -> Message:
    own = box.uri(extension)
    return peer.request("REGISTER", domain(box), box.sip, to_uri=own, from_uri=own, headers=[("Authorization", value)], **more)  # type: ignore[arg-type]


def shape(reply: Message) -> list[str]:
    """A reply without what differs by nature from one request to the next."""
    text = reply.raw.decode()
    for pattern in (r'nonce="[^"]*"', r'opaque="[^"]*"', r"branch=[^;\s]+", r"tag=[^;\s>]+", r"Call-ID: \S+", r"sip:\w+@"):
        text = re.sub(pattern, "", text)
    return text.split("\r\n")


def test_unknown_users_cannot_be_told_from_wrong_passwords(box: Box, peer: RawPeer) -> None:
    known, unknown = (register(box, peer, "201", password="wrong"), register(box, peer, "nobody", password="wrong"))
    assert known.status == unknown.status == 403
    assert shape(known) == shape(unknown)
    first_known, first_unknown = (
        peer.request("REGISTER", domain(box), box.sip, to_uri=box.uri(user), from_uri=box.uri(user)) for user in ("201", "nobody")
    )
    assert shape(first_known) == shape(first_unknown)
    assert len(challenge_of(first_known)["nonce"]) == len(challenge_of(first_unknown)["nonce"])
    calls = [peer.request_bytes("INVITE", box.uri("202"), from_uri=box.uri(user), body=sdp(peer.ip, 40000)) for user in ("201", "nobody")]
    replies = [reply for reply in (peer.transact(data, box.sip) for data in calls) if reply]
    assert len(replies) == 2
    assert shape(replies[0]) == shape(replies[1])


def test_a_wrong_password_never_registers(box: Box, peer: RawPeer) -> None:
    for password in ("wrong", "", secret(203), secret(202) + " ", "x" * 5000):
        assert register(box, peer, "202", password=password or "\t").status in (400, 401, 403)
    assert "202" not in [row["sip_user"] for row in box.registrations()]
    assert register(box, peer, "202").status == 200


def test_one_devices_password_opens_no_other_address(box: Box, peer: RawPeer) -> None:
    reply = peer.request("REGISTER", domain(box), box.sip, user="203", secret=secret(203), to_uri=box.uri("204"), from_uri=box.uri("203"))
    assert reply.status == 403
    assert "204" not in [row["sip_user"] for row in box.registrations()]


def test_a_recorded_answer_is_worth_nothing(box: Box, peer: RawPeer) -> None:
    given = challenge(box, peer, "201")
    once = authorization(given, "REGISTER", domain(box), "201", secret(201))
    assert signed(box, peer, "201", once).status == 200
    with RawPeer(own_address()) as thief:
        again = signed(box, thief, "201", once)
        assert again.status == 401
        assert challenge_of(again)["nonce"] != given["nonce"]
    # The owner may count on, but never backwards.
    assert signed(box, peer, "201", authorization(given, "REGISTER", domain(box), "201", secret(201), nc=5)).status == 200
    assert signed(box, peer, "201", authorization(given, "REGISTER", domain(box), "201", secret(201), nc=4)).status in (200, 401)
    assert signed(box, peer, "201", authorization(given, "REGISTER", domain(box), "201", secret(201), nc=5)).status == 401
    # Signed for one method, no good for another.
    other = authorization(challenge(box, peer, "201"), "INVITE", domain(box), "201", secret(201))
    assert signed(box, peer, "201", other).status == 403


def test_a_nonce_of_our_own_making_is_refused(box: Box, peer: RawPeer) -> None:
    given = challenge(box, peer, "201")
    for nonce in ("", "0", "x" * 2000, given["nonce"][:-1] + ("A" if given["nonce"][-1] != "A" else "B")):
        forged = authorization(given | {"nonce": nonce}, "REGISTER", domain(box), "201", secret(201))
        assert signed(box, peer, "201", forged).status in (400, 401, 403), nonce


def test_a_register_sent_again_changes_nothing(box: Box, peer: RawPeer) -> None:
    value = authorization(challenge(box, peer, "205"), "REGISTER", domain(box), "205", secret(205))
    own, branch = box.uri("205"), BRANCH + token()
    data = peer.request_bytes("REGISTER", domain(box), to_uri=own, from_uri=own, cseq=2, branch=branch, headers=[("Authorization", value)])
    for _ in range(3):
        peer.send(data, box.sip)
    replies = wait_until(lambda: found if len(found := [g.message for g in peer.received if g.message.branch == branch]) == 3 else None, 5.0, "3 replies")
    assert [reply.status for reply in replies] == [200, 200, 200]
    assert len([row for row in box.registrations() if row["sip_user"] == "205"]) == 1


def test_too_short_a_lifetime_names_the_shortest(box: Box, peer: RawPeer) -> None:
    reply = register(box, peer, "206", headers=[("Expires", "5")])
    assert reply.status == 423
    shortest = int(reply.header("min-expires"))
    assert shortest > 5
    taken = register(box, peer, "206", headers=[("Expires", str(shortest))])
    assert taken.status == 200
    assert int(taken.param("contact", "expires")) == shortest
    longest = register(box, peer, "206", headers=[("Expires", "4294967295")])
    assert longest.status == 200
    assert int(longest.param("contact", "expires")) <= 7200


def test_several_contacts_fetch_and_the_star(box: Box, peer: RawPeer) -> None:
    contacts = [("Contact", f"<sip:207@{peer.ip}:{port}>;q=0.{q}") for port, q in ((5070, 3), (5071, 9))]
    both = register(box, peer, "207", headers=contacts, contact="")
    assert both.status == 200
    assert len(both.all("contact")) == 2
    fetched = register(box, peer, "207", contact="")
    assert sorted(re.search(r":(507\d)", value)[1] for value in fetched.all("contact")) == ["5070", "5071"]  # type: ignore[index]
    assert {re.search(r"q=([\d.]+)", value)[1] for value in fetched.all("contact")} == {"0.3", "0.9"}  # type: ignore[index]
    # The star goes alone, with Expires 0, or not at all (RFC 3261 section 10.2.2).
    assert register(box, peer, "207", contact="", headers=[("Contact", "*"), ("Expires", "60")]).status == 400
    assert register(box, peer, "207", contact="", headers=[("Contact", "*")]).status == 400
    assert len(register(box, peer, "207", contact="").all("contact")) == 2
    one = register(box, peer, "207", contact="", headers=[("Contact", f"<sip:207@{peer.ip}:5070>;expires=0")])
    assert [":5071" in value for value in one.all("contact")] == [True]
    gone = register(box, peer, "207", contact="", headers=[("Contact", "*"), ("Expires", "0")])
    assert gone.status == 200
    assert gone.all("contact") == []


def test_a_late_cseq_does_not_undo_a_newer_one(box: Box, peer: RawPeer) -> None:
    call_id = token()
    assert register(box, peer, "208", call_id=call_id, contact=f"<sip:208@{peer.ip}:5072>", cseq=10).status == 200  # type: ignore[arg-type]
    late = register(box, peer, "208", call_id=call_id, contact="", headers=[("Contact", f"<sip:208@{peer.ip}:5072>;expires=0")], cseq=3)  # type: ignore[arg-type]
    assert late.status in (400, 500)
    assert "208" in [row["sip_user"] for row in box.registrations()]


def test_a_thousand_contacts_are_not_kept(box: Box, peer: RawPeer) -> None:
    reply = register(box, peer, "204", contact="", headers=[("Contact", f"<sip:204@{peer.ip}:{port}>") for port in range(6000, 6030)])
    assert reply.status in (400, 403)
    for port in range(6000, 6020):
        assert register(box, peer, "204", contact=f"<sip:204@{peer.ip}:{port}>").status == 200
    assert len([row for row in box.registrations() if row["sip_user"] == "204"]) <= 10


@pytest.mark.parametrize("method", ["REGISTER", "INVITE", "OPTIONS"])
def test_a_flood_from_one_address_stops_nobody_else(box: Box, method: str) -> None:
    pid, before = box.pid(), box.memory()["rss"]
    attacker = own_address()
    stop = threading.Event()
    sent = [0]

    def flood(peer: RawPeer) -> None:
        body = sdp(attacker, 40000) if method == "INVITE" else ""
        while not stop.is_set():
            for _ in range(50):
                user = f"u{sent[0] % 997}"
                peer.send(peer.request_bytes(method, box.uri("202"), from_uri=box.uri(user), to_uri=box.uri(user), body=body), box.sip)
                sent[0] += 1
            stop.wait(0.02)  # some 2,500 a second at most: the other cores' tests go on

    with RawPeer(attacker) as flooder:
        thread = threading.Thread(target=flood, args=(flooder,))
        thread.start()
        try:
            wait_until(lambda: sent[0] > 1500, 20.0, "the flood")
            slowest = 0.0
            for _ in range(10):
                began = time.monotonic()
                with RawPeer(own_address()) as honest:
                    assert register(box, honest, "203").status == 200
                slowest = max(slowest, time.monotonic() - began)
            assert_serves(box, pid)
        finally:
            stop.set()
            thread.join()
        assert sent[0] > 1500
        answered = sum(1 for got in flooder.received if not got.message.is_request)
        assert answered < sent[0], "every one of the flood was answered"
        # The source is forgiven: nothing on a LAN is banned for good.
        asking = flooder.request_bytes("OPTIONS", box.uri("box"))
        assert wait_until(lambda: flooder.transact(asking, box.sip, timeout_s=0.5), 30.0, "an answer to the flooder").status == 200
        assert register(box, flooder, "201").status == 200
    assert box.memory()["rss"] - before < 24 << 20
    assert box.calls() == []


def test_a_flooding_address_may_still_call_for_help(box: Box) -> None:
    with RawPeer(own_address()) as flooder:
        for _ in range(1500):
            flooder.send(flooder.request_bytes("OPTIONS", box.uri("box")), box.sip)
        reply = flooder.transact(flooder.request_bytes("INVITE", box.uri("911"), body=sdp(flooder.ip, 40000)), box.sip, timeout_s=3.0, final=False)
        assert reply is not None
        assert reply.status not in (401, 403, 407)
