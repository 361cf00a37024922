"""Fax (row K1): a T.38 re-INVITE that nobody can follow is refused, and the call goes on in G.711 without a gap."""

from __future__ import annotations

import pytest

from tests.support.carrier import Call, Carrier
from tests.support.proc import wait_until
from tests.support.sites import secret

T38 = [
    "m=image {port} udptl t38", "a=T38FaxVersion:0", "a=T38MaxBitRate:14400", "a=T38FaxRateManagement:transferredTCF", "a=T38FaxMaxBuffer:262",
    "a=T38FaxMaxDatagram:176", "a=T38FaxUdpEC:t38UDPRedundancy",
]  # fmt: skip


def _t38(call: Call, *, beside_audio: bool) -> str:
    """An offer to go over to T.38: the image alone, or with the audio stream put to port 0 (both are seen in the wild)."""
    ip = call.carrier.media_ip
    head = ["v=0", f"o=- 77 2 IN IP4 {ip}", "s=-", f"c=IN IP4 {ip}", "t=0 0"]
    audio = ["m=audio 0 RTP/AVP 0"] if beside_audio else []
    return "\r\n".join([*head, *audio, *(line.format(port=call.rtp.port) for line in T38)]) + "\r\n"


def _called(box, opened, user: str, formats: tuple[str, ...]):
    carrier: Carrier = opened.enter_context(Carrier())
    carrier.formats = formats
    call = carrier.call(box.uri("900"), box.sip, from_uri=box.uri(user), user=user, secret=secret(user)).sign_in()
    leg = box.incoming()
    leg.do("answer")
    call.wait_answer()
    leg.wait_news("Answered")
    return call, leg


@pytest.mark.row("K1")
@pytest.mark.parametrize("beside_audio", [False, True])
@pytest.mark.parametrize(("other", "way"), [("0", "forwarded"), ("8", "bridged")])
def test_t38_is_refused_and_g711_goes_on(bare, opened, beside_audio: bool, other: str, way: str) -> None:
    box = bare()
    fax, leg = _called(box, opened, "201", ("0", "101"))
    far, far_leg = _called(box, opened, "202", (other, "101"))
    box.join(leg, far_leg)
    wait_until(lambda: fax.rtp.heard() > 50 and far.rtp.heard() > 50, 5, "audio both ways")
    assert (box.counts()["links"] > 0) == (way == "forwarded")
    marks = len(fax.rtp.packets), len(far.rtp.packets)
    reply = fax.request("INVITE", body=_t38(fax, beside_audio=beside_audio))
    assert reply is not None
    assert reply.status == 488
    start = fax.rtp.heard(), far.rtp.heard()
    wait_until(lambda: fax.rtp.heard() > start[0] + 100 and far.rtp.heard() > start[1] + 100, 5, "audio both ways after it")
    assert max(fax.rtp.longest_silence_ms(marks[0]), far.rtp.longest_silence_ms(marks[1])) < 120
    # It still takes what it can follow.
    assert fax.request("INVITE", body=fax.sdp()).status == 200
    start = fax.rtp.heard(), far.rtp.heard()
    wait_until(lambda: fax.rtp.heard() > start[0] + 50 and far.rtp.heard() > start[1] + 50, 5, "audio after an ordinary re-INVITE")
    assert not leg.news("Ended")
    assert not far_leg.news("Ended")
