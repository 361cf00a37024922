"""Every kind of phone registers with the box by digest, over every transport; wrong ones are refused alike."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.conftest import BoxMaker, PhoneMaker
from tests.support.box import Box
from tests.support.proc import wait_until
from tests.support.rawsip import RawPeer
from tests.support.sipmsg import authorization, challenge_of, token
from tests.support.sipp import Sipp, auth, write_users
from tests.support.sites import make_site, secret


@pytest.fixture
def peer() -> Iterator[RawPeer]:
    with RawPeer() as made:
        yield made


def _register(peer: RawPeer, box: Box, user: str = "201", password: str = secret(201), **options: object) -> int:
    """One REGISTER by hand, challenge answered; the final status."""
    aor = f"sip:{user.partition('@')[0]}@{box.sip[0]}:{box.sip[1]}"
    target = box.tls if options.get("transport") == "tls" else box.sip
    given = {"headers": [("Expires", "120")], "from_uri": aor, "to_uri": aor, **options}
    return peer.request("REGISTER", f"sip:{box.sip[0]}", target, user=user, secret=password, **given).status  # type: ignore[arg-type]


def _contacts(box: Box, user: str = "201") -> list[str]:
    return [row["contact"] for row in box.registrations() if row["device"] == f"phone-{user}"]


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_pjsua2_registers_and_leaves(box: BoxMaker, phone: PhoneMaker, transport: str) -> None:
    home, one = box(make_site(1)), phone("one")
    server = home.tls if transport == "tls" else home.sip
    assert one.register("201", secret(201), server, transport=transport).ok
    assert len(_contacts(home)) == 1
    assert not one.unregister().active
    assert _contacts(home) == []


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_baresip_registers(box: BoxMaker, phone: PhoneMaker, transport: str) -> None:
    home, one = box(make_site(1)), phone("one", "baresip")
    server = home.tls if transport == "tls" else home.sip
    assert one.register("201", secret(201), server, transport=transport)["type"] == "REGISTER_OK", one.program.tail()
    assert len(_contacts(home)) == 1


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_linphone_registers(box: BoxMaker, phone: PhoneMaker, transport: str) -> None:
    home, one = box(make_site(1)), phone("one", "linphone")
    assert one.register("201", secret(201), home.sip, transport=transport), one.program.tail()
    assert len(_contacts(home)) == 1


def test_a_hundred_phones_register_with_sipp(box: BoxMaker, tmp_path_factory: pytest.TempPathFactory) -> None:
    home, folder = box(make_site(100)), tmp_path_factory.mktemp("sipp")
    users = [str(201 + index) for index in range(100)]
    rows = [(user, auth(user, secret(user)), f"127.0.0.1:{30000 + index}") for index, user in enumerate(users)]
    load = Sipp(folder, "register", home.sip, users=write_users(folder / "users.csv", rows), rate=200, calls=100, keys={"expires": "600"})
    stats = load.finish()
    assert (stats.successful, stats.failed) == (100, 0), load.errors()
    assert len(home.registrations()) == 100


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_both_digest_algorithms(box: BoxMaker, peer: RawPeer, algorithm: str) -> None:
    # A phone that says what it is gets the stronger challenge, too; one that says nothing gets the one every phone knows.
    agent = [("User-Agent", "pjsip test")] if algorithm == "SHA-256" else []
    home = box(make_site(1))
    assert _register(peer, home, algorithm=algorithm, headers=[("Expires", "120"), *agent]) == 200
    assert len(_contacts(home)) == 1


@pytest.mark.row("E4")
@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_the_user_name_may_be_fully_qualified(box: BoxMaker, peer: RawPeer, transport: str) -> None:
    home = box(make_site(1))
    assert _register(peer, home, user="201@holdfast.test", transport=transport) == 200
    assert len(_contacts(home)) == 1


@pytest.mark.row("E4")
def test_the_address_of_record_may_be_at_the_sites_domain(box: BoxMaker, phone: PhoneMaker) -> None:
    home = box(make_site(1))
    assert phone("one").register("201", secret(201), home.sip, domain="holdfast.test").ok


def test_wrong_password_and_unknown_user_are_refused_alike(box: BoxMaker, peer: RawPeer) -> None:
    home = box(make_site(1))
    refusals = []
    for user, password in (("201", "wrong-password"), ("999", secret(201))):
        aor = f"sip:{user}@{home.sip[0]}"
        reply = peer.request("REGISTER", f"sip:{home.sip[0]}", home.sip, user=user, secret=password, from_uri=aor, to_uri=aor)
        challenge = challenge_of(reply)
        names = sorted(name.lower() for name, _ in reply.headers)
        refusals.append((reply.start, names, sorted(challenge), challenge.get("realm"), challenge.get("algorithm"), challenge.get("qop")))
    assert refusals[0] == refusals[1], "a stranger must not learn which users exist"
    assert refusals[0][0].startswith("SIP/2.0 40")
    assert home.registrations() == []


@pytest.mark.parametrize("kind", ["pjsua2", "baresip", "linphone"])
def test_every_phone_is_told_that_its_password_is_wrong(box: BoxMaker, phone: PhoneMaker, kind: str) -> None:
    home, one = box(make_site(1)), phone("one", kind)
    outcome = one.register("201", "wrong-password", home.sip)
    worked = outcome["type"] == "REGISTER_OK" if kind == "baresip" else outcome if kind == "linphone" else outcome.ok
    assert not worked
    assert home.registrations() == []


def test_one_user_cannot_register_another(box: BoxMaker, peer: RawPeer) -> None:
    home = box(make_site(2))
    other = f"sip:202@{home.sip[0]}"
    assert _register(peer, home, to_uri=other, from_uri=other) in (401, 403, 404)
    assert home.registrations() == []


def test_a_replayed_answer_is_not_taken_again(box: BoxMaker, peer: RawPeer) -> None:
    home = box(make_site(1))
    uri, aor, call_id, tag = f"sip:{home.sip[0]}", f"sip:201@{home.sip[0]}", token(), token()

    def send(cseq: int, extra: list[tuple[str, str]], contact: str | None = None) -> int:
        data = peer.request_bytes("REGISTER", uri, from_uri=aor, to_uri=aor, call_id=call_id, from_tag=tag, cseq=cseq, contact=contact, headers=extra)
        reply = peer.transact(data, home.sip)
        assert reply is not None
        send.last = reply  # type: ignore[attr-defined]
        return reply.status

    assert send(1, []) == 401
    proof = ("Authorization", authorization(challenge_of(send.last), "REGISTER", uri, "201", secret(201)))  # type: ignore[attr-defined]
    assert send(2, [proof]) == 200
    assert send(3, [proof], "<sip:thief@127.0.0.1:9>") == 401
    assert challenge_of(send.last).get("stale", "").lower() == "true"  # type: ignore[attr-defined]
    assert all("thief" not in contact for contact in _contacts(home))


def test_an_interval_too_brief_is_named(box: BoxMaker, peer: RawPeer) -> None:
    home = box(make_site(1))
    aor = f"sip:201@{home.sip[0]}"
    reply = peer.request("REGISTER", f"sip:{home.sip[0]}", home.sip, user="201", secret=secret(201), from_uri=aor, to_uri=aor, headers=[("Expires", "5")])
    assert reply.status == 423
    assert int(reply.header("min-expires")) >= 10


def test_a_fetch_lists_contacts_and_a_star_removes_them(box: BoxMaker, peer: RawPeer) -> None:
    home = box(make_site(1))
    for number in (1, 2):
        assert _register(peer, home, contact=f"<sip:201@127.0.0.1:{4000 + number}>;q=0.{number}") == 200
    aor = f"sip:201@{home.sip[0]}"
    fetched = peer.request("REGISTER", f"sip:{home.sip[0]}", home.sip, user="201", secret=secret(201), from_uri=aor, to_uri=aor, contact="")
    assert fetched.status == 200
    assert sum(value.count("<sip:201@") for value in fetched.all("contact")) == 2
    assert _register(peer, home, contact="*", headers=[("Expires", "0")]) == 200
    wait_until(lambda: not home.registrations(), 5, "no binding left")
