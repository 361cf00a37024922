"""The test drivers against each other, without the box: what they claim to send and hear must be so."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests.support.baresip import Baresip
from tests.support.carrier import Carrier, answer, answer_despite_cancel, refuse, silent
from tests.support.linphone import Linphone
from tests.support.net import privileged, site_net
from tests.support.pjphone import PjPhone
from tests.support.proc import wait_until
from tests.support.rawsip import RawPeer, Received
from tests.support.rtp import decode, encode
from tests.support.sipmsg import parse
from tests.support.sipp import Sipp, auth, write_users
from tests.support.tone import tone, tone_fraction, tone_seconds

needs_pjsua2 = pytest.mark.skipif(find_spec("pjsua2") is None, reason="pjsua2 is not built yet (`make test` builds it)")


@pytest.mark.parametrize("payload_type", [0, 8])
def test_g711_survives_its_own_coding(payload_type: int) -> None:
    samples = tone(1000, 0.1)
    error = decode(encode(samples, payload_type), payload_type) - samples
    assert np.abs(error).max() < 0.02
    assert np.sqrt((error**2).mean()) < 0.01 * np.sqrt((samples**2).mean()) * 5


def test_multipart_bodies_are_taken_apart() -> None:
    body = b"--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b\r\nContent-Type: application/pidf+xml\r\nContent-ID: <x@y>\r\n\r\n<p/>\r\n--b--\r\n"
    message = parse(b'INVITE sip:911@x SIP/2.0\r\nc: multipart/mixed;boundary="b"\r\nl: %d\r\n\r\n' % len(body) + body)
    assert message.sdp == "v=0"
    assert message.part("application/pidf+xml") == b"<p/>"
    assert message.parts()[1].headers["content-id"] == "<x@y>"


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_carriers_call_each_other_with_audio_both_ways(tmp_path: Path, transport: str) -> None:
    with Carrier() as a, Carrier() as b:
        out = a.call(f"sip:100@{b.ip}:{b.port}", (b.ip, b.port), transport=transport)
        assert out.wait_ringing().status == 180
        out.wait_answer()
        incoming = b.wait_call()
        assert incoming.invite.uri == f"sip:100@{b.ip}:{b.port}"
        wait_until(lambda: incoming.rtp.heard() >= 60 and out.rtp.heard() >= 60, 5, "RTP both ways")
        out.rtp.send_digits("19#")
        wait_until(lambda: incoming.rtp.digits == "19#", 5, "digits")
        reply = out.hangup()
        assert reply is not None
        assert reply.status == 200
        incoming.wait("BYE")
        assert tone_fraction(out.record(tmp_path / "a.wav"), seconds=1) >= 0.95
        assert tone_fraction(incoming.record(tmp_path / "b.wav"), seconds=1) >= 0.95


def test_a_carrier_follows_its_plan() -> None:
    with Carrier() as carrier, Carrier() as caller:
        carrier.plan = [refuse(488), silent, answer_despite_cancel(0.2), answer(after_s=30)]
        target, uri = (carrier.ip, carrier.port), f"sip:911@{carrier.ip}"
        assert caller.call(uri, target).wait_final().status == 488
        assert not caller.call(uri, target)._replies()
        carrier.wait_call(1)
        late = caller.call(uri, target)
        carrier.wait_call(2)
        late.cancel()
        late.wait_answer()
        cancelled = caller.call(uri, target)
        cancelled.wait_ringing()
        cancelled.cancel()
        assert cancelled.wait_final().status == 487
        assert [call.error for call in carrier.calls] == [None] * 4


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_a_carrier_checks_registrations_by_digest(algorithm: str) -> None:
    with Carrier(accounts={"trunk": "secret-1"}, algorithm=algorithm) as carrier, RawPeer() as peer:
        target, uri = (carrier.ip, carrier.port), f"sip:{carrier.ip}"
        wrong = peer.request("REGISTER", uri, target, user="trunk", secret="other", headers=[("Expires", "60")])
        assert wrong.status == 401
        assert not carrier.registrations
        right = peer.request("REGISTER", uri, target, user="trunk", secret="secret-1", headers=[("Expires", "60")])
        assert right.status == 200
        assert carrier.wait_registered().header("expires") == "60"


@pytest.mark.skipif(bool(privileged()), reason=privileged() or "-")
def test_a_call_crosses_the_nat_and_dies_when_the_wan_is_dropped(tmp_path: Path) -> None:
    with site_net(phones=1, nat=True) as net:
        assert net.carrier is not None
        with Carrier(net.carrier_ip, 5060, ns=net.carrier) as carrier, Carrier(net.box_wan, 5060, ns=net.box) as box:
            call = box.call(f"sip:911@{net.carrier_ip}", (net.carrier_ip, 5060)).wait_answer()
            far = carrier.wait_call()
            assert far.incoming is not None
            assert far.incoming.source[0] == net.public
            # The offered address is private: only a carrier that follows the packets hears and is heard.
            wait_until(lambda: call.rtp.heard() > 25 and far.rtp.heard() > 25, 5, "RTP both ways through the NAT")
            net.drop_wan()
            heard = call.rtp.heard()
            assert call.request("OPTIONS", timeout_s=0.6) is None
            assert call.rtp.heard() - heard <= 2
            net.restore_wan()
            assert call.request("OPTIONS", timeout_s=3) is not None
            assert tone_seconds(far.record(tmp_path / "far.wav")) > 0.4


def test_baresip_registers_calls_holds_transfers_and_is_heard(tmp_path: Path) -> None:
    with Carrier(accounts={"alice": "secret-1"}) as carrier, Baresip(tmp_path / "a") as phone:
        server = (carrier.ip, carrier.port)
        assert phone.register("alice", "secret-1", server)["type"] == "REGISTER_OK"
        assert phone.call(f"sip:201@{carrier.ip}:{carrier.port}")["type"] == "CALL_ESTABLISHED"
        call = carrier.wait_call()
        wait_until(lambda: call.rtp.heard() >= 75, 5, "RTP from baresip")
        phone.digits("19#")
        wait_until(lambda: call.rtp.digits == "19#", 5, "digits from baresip")
        phone.hold()
        assert "a=sendonly" in call.wait("INVITE").message.sdp
        phone.resume()
        phone.transfer("sip:300@127.0.0.1")
        assert call.wait("REFER").message.header("refer-to").strip("<>") == "sip:300@127.0.0.1"
        phone.hangup()
        call.wait("BYE")
        assert tone_fraction(phone.recording(), seconds=1) >= 0.95
        assert tone_fraction(call.record(tmp_path / "c.wav"), seconds=1) >= 0.95


def test_baresip_reports_a_refused_registration_and_answers_calls(tmp_path: Path) -> None:
    with Carrier(accounts={"alice": "secret-1"}) as carrier, Baresip(tmp_path / "a", answer="manual") as phone:
        assert phone.register("alice", "wrong", (carrier.ip, carrier.port))["type"] == "REGISTER_FAIL"
        call = carrier.call(f"sip:alice@{phone.ip}:{phone.port}", (phone.ip, phone.port))
        phone.wait_event("CALL_INCOMING")
        assert call.wait_ringing().status == 180
        phone.accept()
        call.wait_answer()
        call.hangup()
        phone.wait_event("CALL_CLOSED")


def test_linphone_registers_calls_and_is_heard(tmp_path: Path) -> None:
    with Carrier(accounts={"alice": "secret-1"}) as carrier, Linphone(tmp_path / "l") as phone:
        server = (carrier.ip, carrier.port)
        assert phone.register("alice", "secret-1", server)
        assert phone.call(f"sip:201@{carrier.ip}:{carrier.port}")
        call = carrier.wait_call()
        wait_until(lambda: call.rtp.heard() >= 75, 5, "RTP from linphone")
        phone.digits("19")
        wait_until(lambda: call.rtp.digits == "19", 5, "digits from linphone")
        phone.hangup()
        call.wait("BYE")
        assert tone_fraction(call.record(tmp_path / "c.wav"), seconds=1) >= 0.95
        wait_until(lambda: tone_fraction(phone.recording(), seconds=1) >= 0.95, 3, "linphone's recording")


def test_linphone_reports_a_refused_registration(tmp_path: Path) -> None:
    with Carrier(accounts={"alice": "secret-1"}) as carrier, Linphone(tmp_path / "l") as phone:
        assert not phone.register("alice", "wrong", (carrier.ip, carrier.port))


def test_linphone_is_called(tmp_path: Path) -> None:
    with Carrier() as carrier, Linphone(tmp_path / "l", answer="manual") as phone:
        call = carrier.call(f"sip:alice@{phone.ip}:{phone.port}", (phone.ip, phone.port))
        phone.wait_line("incoming call")
        assert call.wait_ringing().status == 180
        phone.accept()
        call.wait_answer()
        call.hangup()
        phone.wait_line("ended")


@needs_pjsua2
def test_pjphones_call_each_other_hold_and_send_digits(tmp_path: Path) -> None:
    with PjPhone(tmp_path / "a") as a, PjPhone(tmp_path / "b", freq_hz=1500) as b:
        call = a.call(f"sip:bob@{b.ip}:{b.port}", [("X-Test", "yes")]).wait("CONFIRMED")
        incoming = b.incoming()
        assert incoming.message.header("x-test") == "yes"
        call.wait_heard(60)
        call.hold()
        incoming.wait_event("media", status="held-by-peer")
        call.resume()
        incoming.wait_next("media", 2)
        call.send_digits("19#")
        incoming.wait_event("digit", digit="#")
        assert incoming.digits.startswith("19#")
        call.send_digits("7", "info")
        incoming.wait_event("digit", digit="7", method="info")
        call.hangup()
        incoming.wait("DISCONNECTED")
        # Each hears the other's tone and not its own.
        assert tone_fraction(call.recording, 1500, 1) >= 0.95
        assert tone_fraction(incoming.recording, 1000, 1) >= 0.95
        assert tone_seconds(incoming.recording, 1500) == 0


@needs_pjsua2
@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_pjphone_registers(tmp_path: Path, transport: str, algorithm: str) -> None:
    with Carrier(accounts={"alice": "secret-1"}, algorithm=algorithm) as carrier, PjPhone(tmp_path / "a") as phone:
        server = (carrier.ip, carrier.port)
        assert phone.register("alice", "wrong", server, transport=transport).code == 401
        assert phone.register("alice", "secret-1", server, transport=transport).ok
        assert not phone.unregister().active


@needs_pjsua2
def test_a_pjphone_gives_early_media_rings_and_refuses(tmp_path: Path) -> None:
    with Carrier() as carrier, PjPhone(tmp_path / "a", answers=(183,)) as phone:
        target, uri = (phone.ip, phone.port), f"sip:alice@{phone.ip}:{phone.port}"
        call = carrier.call(uri, target)
        assert call.wait_ringing().sdp
        wait_until(lambda: call.rtp.heard() >= 30, 5, "early media")
        phone.incoming().answer(486)
        assert call.wait_final().status == 486
        cancelled = carrier.call(uri, target)
        cancelled.wait_ringing()
        cancelled.cancel()
        phone.incoming().wait("DISCONNECTED")
        assert cancelled.wait_final().status == 487


def test_sipp_calls_sipp_and_its_figures_are_read(tmp_path: Path) -> None:
    with Sipp(tmp_path, "uas_rtp") as server:
        users = write_users(tmp_path / "users.csv", [("alice", auth("alice", "secret-1"), "201")])
        # Nothing challenges here: the client's calls fail, and are counted as failed.
        refused = Sipp(tmp_path, "uac", (server.ip, server.port), users=users, calls=2).finish()
        assert refused.failed == 2
        assert refused.successful == 0


def test_sipp_registers_by_digest(tmp_path: Path) -> None:
    secrets = {f"u{index}": f"secret-{index}" for index in range(20)}
    with Carrier(accounts=secrets) as carrier:
        users = write_users(tmp_path / "users.csv", [(user, auth(user, secret), "127.0.0.1:5999") for user, secret in secrets.items()])
        server = (carrier.ip, carrier.port)
        stats = Sipp(tmp_path, "register", server, users=users, rate=100, calls=20, keys={"expires": "60"}, rtt=True).finish()
        assert (stats.successful, stats.failed) == (20, 0)
        assert len(stats.response_ms["1"]) == 20
        assert {message.uri_of("to").split(":")[1].split("@")[0] for message in carrier.registrations} == set(secrets)


def test_sipp_sends_a_tone_in_an_authenticated_call(tmp_path: Path) -> None:
    with Challenger() as carrier:
        users = write_users(tmp_path / "users.csv", [("alice", auth("alice", "secret-1"), "201")])
        stats = Sipp(tmp_path, "uac_rtp", (carrier.ip, carrier.port), users=users, calls=1, hold_ms=1500, rtt=True).finish()
        assert (stats.successful, stats.failed) == (1, 0)
        assert set(stats.response_ms) == {"1", "3"}
        call = carrier.wait_call()
        assert call.invite.header("authorization").startswith("Digest")
        assert tone_fraction(call.record(tmp_path / "heard.wav"), seconds=1) >= 0.95


class Challenger(Carrier):
    """A carrier that asks every caller for credentials (and takes any)."""

    def _on_request(self, got: Received) -> None:
        if got.message.method == "INVITE" and not got.message.header("authorization"):
            self.reply(got, 401, headers=[("WWW-Authenticate", 'Digest realm="x", nonce="n", algorithm=MD5, qop="auth"')], to_tag="challenge")
        else:
            super()._on_request(got)
