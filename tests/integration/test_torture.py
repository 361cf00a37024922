"""RFC 4475: every torture message is answered as it may be, by a box that goes on as if nothing had happened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.box import Box
from tests.support.net import SiteNet, privileged, site_net
from tests.support.proc import wait_until
from tests.support.rawsip import RawPeer
from tests.support.sipmsg import parse
from tests.support.sites import make_site, secret
from tests.support.torture import SILENCE, TORTURE, Torture

pytestmark = pytest.mark.skipif(bool(privileged()), reason=privileged() or "-")


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SiteNet, Box, RawPeer]]:
    """One box for all of them: what one message leaves behind, the next would find. The sender has port 5060, where most of their Vias point."""
    pytest.importorskip("pjsua2")
    with (
        site_net(phones=1, wan=False) as net,
        Box(tmp_path_factory.mktemp("torture"), make_site(2), bind=(net.box_lan,), ns=net.box) as box,
        RawPeer(net.phone_ip(0), 5060, ns=net.phones[0]) as peer,
    ):
        yield net, box, peer


def _answered(peer: RawPeer, box: Box, send: Callable[[], None], call_id: str) -> int:
    """The final status of what `send` sends; SILENCE when a request sent after it is answered and it is not."""
    start = len(peer.received)
    send()
    assert peer.request("OPTIONS", box.uri("ping"), box.sip).status == 200, "the box no longer answers"
    for got in peer.received[start:]:
        if not got.message.is_request and got.message.call_id == call_id and got.message.status >= 200:
            return got.message.status
    return SILENCE


@pytest.mark.parametrize("name", TORTURE)
def test_over_udp(victim: tuple[SiteNet, Box, RawPeer], name: str) -> None:
    _, box, peer = victim
    message: Torture = TORTURE[name]
    call_id = parse(message.data).call_id
    pid = box.pid()
    status = _answered(peer, box, lambda: peer.send(message.data, box.sip), call_id)
    assert status in message.expected, f"RFC 4475 section {message.section}: {name} was answered {status or 'with silence'}"
    assert box.pid() == pid
    assert box.program is not None
    assert box.program.running


@pytest.mark.parametrize("name", ["clerr", "ncl", "mcl01"])
def test_bad_framing_over_tcp_harms_only_its_connection(victim: tuple[SiteNet, Box, RawPeer], name: str) -> None:
    _, box, peer = victim
    peer.send(TORTURE[name].data, box.sip, "tcp")
    peer.disconnect(box.sip)
    assert peer.request("OPTIONS", box.uri("ping"), box.sip, transport="tcp").status == 200
    peer.disconnect(box.sip)


def test_after_all_of_it_a_phone_registers_and_nothing_is_left(victim: tuple[SiteNet, Box, RawPeer]) -> None:
    _, box, peer = victim
    for message in TORTURE.values():
        peer.send(message.data, box.sip)
    aor = box.uri("201")
    assert peer.request("REGISTER", f"sip:{box.bind[0]}", box.sip, user="201", secret=secret(201), from_uri=aor, to_uri=aor).status == 200
    assert [row["device"] for row in box.registrations()] == ["phone-201"]
    wait_until(lambda: not box.calls(), 5, "no call left")
    assert Path(f"/proc/{box.pid()}").exists()
