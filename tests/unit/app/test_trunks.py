"""The trunk service: accounts, addresses told to admission, health, fail-over and order."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.app.trunks import TrunkService
from appliance.events.trunk import TrunkChanged
from appliance.network.addresses import Entry, Limits, Target, dump
from appliance.network.names import NameCache
from appliance.sip._pj.config import TrunkAccount
from appliance.sip.endpoint import TrunkNews
from appliance.site.model.site import Site
from appliance.site.secrets import split
from appliance.site.snapshot import Snapshot
from appliance.site.snapshot import compile as compile_site
from appliance.types import Address, Transport, TrunkId
from tests.support.nameserver import NameServer, name_server

A, B, C = TrunkId("a"), TrunkId("b"), TrunkId("c")
BIND = ("127.0.0.1", "192.168.1.1")
LISTENING = tuple(Address(ip, 5060, t) for ip in BIND for t in (Transport.UDP, Transport.TCP))
FAST = Limits(min_ttl_s=0.2, max_ttl_s=5.0, first_retry_s=0.1, last_retry_s=0.2, timeout_s=0.4)


class Endpoint:
    """Records what it is told; answers OPTIONS by the address a trunk goes to (200 where nothing is set)."""

    def __init__(self) -> None:
        self.listening: tuple[Address, ...] = LISTENING
        self.told: list[tuple[TrunkAccount, ...]] = []
        self.names: dict[str, str] = {}
        self.codes: dict[str, int] = {}
        self.asked: list[tuple[str, str, float]] = []

    def set_trunks(self, wanted: tuple[TrunkAccount, ...]) -> None:
        self.told.append(wanted)

    def set_name(self, host: str, ip: str) -> None:
        self.names[host] = ip

    async def options(self, target: str, account: Address | TrunkId, timeout_s: float = 4.0) -> int:
        ip = self.account(account).ip
        self.asked.append((target, ip, time.monotonic()))
        await asyncio.sleep(0)
        return self.codes.get(ip, 200)

    def account(self, key: Address | TrunkId) -> TrunkAccount:
        return {a.id: a for a in self.told[-1]}[key]  # type: ignore[index]


class Bench:
    """A service with a real name cache; `dns` answers from the zone a test gives it."""

    def __init__(self, dns: NameServer, path: Path | None, routes: dict[str, str]) -> None:
        self.dns, self.routes = dns, routes
        self.endpoint = Endpoint()
        self.published: list[TrunkChanged] = []
        self.hosts: list[dict[str, TrunkId]] = []
        names = NameCache(path, servers=lambda: [dns.address], limits=FAST)
        self.service = TrunkService(self.endpoint, names, self.published.append, self.hosts.append, route=routes.get)  # type: ignore[arg-type]

    def two_targets(self, host: str) -> None:
        """`host` is 192.0.2.1 and, second, 192.0.2.2."""
        self.dns.zone[f"_sip._udp.{host}", "SRV"] = [f"10 0 5060 one.{host}.", f"20 0 5060 two.{host}."]
        self.dns.zone[f"one.{host}", "A"] = ["192.0.2.1"]
        self.dns.zone[f"two.{host}", "A"] = ["192.0.2.2"]

    def row(self, key: TrunkId):
        return next(row for row in self.service.states() if row.id == key)


def run(test: Callable[[Bench], Awaitable[None]], path: Path | None = None) -> None:
    async def main() -> None:
        dns = await name_server()
        bench = Bench(dns, path, {"192.0.2.1": "192.168.1.1"})
        try:
            await test(bench)
        finally:
            await bench.service.stop()
            dns.transport.close()
        assert not [t for t in asyncio.all_tasks() if t is not asyncio.current_task()], "stop leaves no task behind"

    asyncio.run(main())


async def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        await asyncio.sleep(0.01)


def snapshot(**trunks: dict[str, Any]) -> Snapshot:
    document, secrets, _ = split({"domain": "example.org", "trunks": trunks})
    return compile_site(Site.model_validate(document), 1, secrets)


def trunk(host: str = "192.0.2.1", **fields: object) -> dict[str, Any]:
    """As it stands in a site file; `secret` is a field of it there."""
    return {"name": host, "host": host, "health_seconds": 0, **fields}


def test_a_literal_host_is_an_account_at_once() -> None:
    async def test(b: Bench) -> None:
        await b.service.start()
        b.service.apply(snapshot(a=trunk(port=5070, username="u", auth_username="au", secret="s3" * 4, register_seconds=90, advertised="198.51.100.1")), BIND)
        expected = TrunkAccount(A, "192.0.2.1", "192.0.2.1", 5070, Transport.UDP, Address("192.168.1.1", 5060), "u", "au", "s3" * 4, 90, "198.51.100.1")
        assert b.endpoint.told == [(expected,)]
        assert b.hosts == [{"192.0.2.1": A}]
        assert b.row(A).address == "udp:192.0.2.1:5070"
        assert b.endpoint.names == {}, "a literal needs no name"

    run(test)


def test_a_disabled_trunk_comes_last_unregistered_unasked_and_admits_nobody() -> None:
    async def test(b: Bench) -> None:
        await b.service.start()
        off = trunk("192.0.2.9", enabled=False, username="site", secret="secret-of-off")
        b.service.apply(snapshot(b=trunk(), off=off, a=trunk("192.0.2.2")), BIND)
        accounts = b.endpoint.told[-1]
        assert [a.id for a in accounts] == [B, A, "off"], "an emergency call tries it last"
        assert accounts[-1].username == ""
        assert b.hosts == [{"192.0.2.1": B, "192.0.2.2": A}]

    run(test)


def test_where_a_trunk_leaves_from() -> None:
    async def test(b: Bench) -> None:
        await b.service.start()
        b.service.apply(snapshot(a=trunk("127.0.0.9"), b=trunk(bind="127.0.0.1", transport="tcp"), c=trunk(bind="10.0.0.1")), BIND)
        assert [a.local for a in b.endpoint.told[-1]] == [
            Address("127.0.0.1", 5060),
            Address("127.0.0.1", 5060, Transport.TCP),
            Address("192.168.1.1", 5060),
        ]

    run(test)


def test_a_transport_the_box_does_not_listen_on_is_said_not_dialled() -> None:
    async def test(b: Bench) -> None:
        await b.service.start()
        b.service.apply(snapshot(a=trunk(transport="tls"), b=trunk("2001:db8::1"), c=trunk()), BIND)
        assert [a.id for a in b.endpoint.told[-1]] == [C]
        row = b.row(A)
        assert (row.address, row.code, row.reason) == ("", 0, "the box does not listen on any address over tls")
        assert b.row(B).reason == "the box does not listen on an address of the same family over udp"
        assert [b.service.works(key) for key in (A, B, C)] == [False, False, None]

    run(test)


def test_a_name_becomes_an_account_when_it_is_resolved_and_follows_its_address() -> None:
    async def test(b: Bench) -> None:
        b.dns.zone["sip.example.net", "A"] = ["192.0.2.1", "192.0.2.2"]
        await b.service.start()
        b.service.apply(snapshot(a=trunk("sip.example.net")), BIND)
        assert b.endpoint.told == []
        assert b.row(A).reason == "the name sip.example.net has no address yet"
        await until(lambda: b.endpoint.told, "the account")
        first = b.endpoint.account(A)
        # Name servers shuffle.
        assert (first.host, first.port) == ("sip.example.net", 5060)
        assert first.ip in {"192.0.2.1", "192.0.2.2"}
        assert b.hosts == [{"192.0.2.1": A, "192.0.2.2": A}], "its calls may come from any of them"
        assert b.endpoint.names == {"sip.example.net": first.ip}
        b.dns.zone["sip.example.net", "A"] = ["192.0.2.7"]
        await until(lambda: b.endpoint.account(A).ip == "192.0.2.7", "the new address")
        assert b.hosts[-1] == {"192.0.2.7": A}
        assert b.endpoint.names == {"sip.example.net": "192.0.2.7"}

    run(test)


def test_srv_records_give_address_and_port() -> None:
    async def test(b: Bench) -> None:
        b.dns.zone["_sip._udp.example.net", "SRV"] = ["10 0 5080 edge.example.net."]
        b.dns.zone["edge.example.net", "A"] = ["192.0.2.1"]
        await b.service.start()
        b.service.apply(snapshot(a=trunk("example.net")), BIND)
        await until(lambda: b.endpoint.told, "the account")
        account = b.endpoint.account(A)
        assert (account.host, account.ip, account.port) == ("example.net", "192.0.2.1", 5080)

    run(test)


def test_after_a_restart_with_dns_dead_the_trunk_is_there_at_once(tmp_path: Path) -> None:
    path = tmp_path / "names.json"
    path.write_text(dump({"_sip._udp.sip.example.net": Entry((Target("192.0.2.1"),))}))

    async def test(b: Bench) -> None:
        b.dns.mode = "silent"
        await b.service.start()
        b.service.apply(snapshot(a=trunk("sip.example.net")), BIND)
        assert b.endpoint.account(A).ip == "192.0.2.1"

    run(test, path)


def test_the_same_revision_again_changes_nothing_and_another_only_what_differs() -> None:
    async def test(b: Bench) -> None:
        await b.service.start()
        b.service.apply(snapshot(a=trunk(username="u", secret="s3" * 4), b=trunk("192.0.2.2")), BIND)
        b.service.on_news(TrunkNews(A, 200, "OK", 300))
        b.service.apply(snapshot(a=trunk(username="u", secret="s3" * 4), b=trunk("192.0.2.2")), BIND)
        assert len(b.endpoint.told) == 1
        assert b.row(A).registered is True
        b.service.apply(snapshot(a=trunk(username="u", secret="t3" * 4)), BIND)
        assert [[a.id for a in told] for told in b.endpoint.told] == [[A, B], [A]]
        assert b.row(A).registered is False, "another password: nothing is known"
        assert b.hosts[-1] == {"192.0.2.1": A}

    run(test)


def test_a_name_nobody_needs_is_not_asked_any_more() -> None:
    async def test(b: Bench) -> None:
        b.dns.zone["sip.example.net", "A"] = ["192.0.2.1"]
        b.dns.zone["other.example.net", "A"] = ["192.0.2.2"]
        await b.service.start()
        b.service.apply(snapshot(a=trunk("sip.example.net", port=5070), b=trunk("other.example.net", port=5070)), BIND)
        await until(lambda: len(b.hosts[-1:]) and len(b.hosts[-1]) == 2, "both addresses")
        b.service.apply(snapshot(b=trunk("other.example.net", port=5070)), BIND)
        b.dns.asked.clear()
        await until(lambda: b.dns.asked.count(("other.example.net", "A")) >= 3, "refreshes of the one that stays")
        assert ("sip.example.net", "A") not in b.dns.asked

    run(test)


def test_registration_state_as_people_see_it() -> None:
    async def test(b: Bench) -> None:
        await b.service.start()
        b.service.apply(snapshot(a=trunk(username="u", secret="s3" * 4), b=trunk("192.0.2.2")), BIND)
        assert (b.row(A).registered, b.row(A).code, b.row(B).registered) == (False, 0, None)
        b.service.on_news(TrunkNews(A, 403, "Forbidden", 0))
        assert (b.row(A).registered, b.row(A).reachable, b.row(A).code, b.row(A).reason) == (False, True, 403, "Forbidden")
        b.service.on_news(TrunkNews(A, 200, "OK", 300))
        assert (b.row(A).registered, b.row(A).code) == (True, 200)
        assert [(e.trunk, e.works, e.registered) for e in b.published] == [(A, False, False), (A, True, True)]
        b.service.on_news(TrunkNews(TrunkId("gone"), 200, "OK", 300))
        assert len(b.published) == 2
        assert b.row(A).last_answer_s is not None
        assert b.row(B).last_answer_s is None

    run(test)


def test_a_trunk_says_whether_it_works() -> None:
    async def test(b: Bench) -> None:
        await b.service.start()
        register = {"username": "u", "secret": "s3" * 4}
        b.service.apply(snapshot(a=trunk(**register), b=trunk("192.0.2.2"), c=trunk("192.0.2.3", **register)), BIND)
        assert [b.service.works(key) for key in (A, B, C)] == [None, None, None]
        assert b.service.last_good() is None
        b.service.on_news(TrunkNews(A, 403, "Forbidden", 0))
        b.service.on_news(TrunkNews(C, 200, "OK", 300))
        assert [b.service.works(key) for key in (A, B, C, TrunkId("no-such"))] == [False, None, True, False]
        assert b.service.last_good() == C
        b.service.on_news(TrunkNews(C, 503, "", 0))
        assert b.service.last_good() == C, "none works: the last that showed life"
        b.service.on_news(TrunkNews(A, 200, "OK", 300))
        assert b.service.last_good() == A

    run(test)


def test_options_decide_whether_a_trunk_is_reachable() -> None:
    async def test(b: Bench) -> None:
        await b.service.start()
        b.endpoint.codes = {"192.0.2.1": 404, "192.0.2.2": 408}
        b.service.apply(snapshot(a=trunk(port=5080, health_seconds=1), b=trunk("192.0.2.2", health_seconds=1), c=trunk("192.0.2.3")), BIND)
        await until(lambda: b.row(B).reachable is False, "two silences")
        assert (b.row(A).reachable, b.row(A).code, b.row(C).reachable) == (True, 404, None)
        assert [b.service.works(key) for key in (A, B, C)] == [True, False, None]
        assert ("sip:192.0.2.1:5080", "192.0.2.1") in [(target, ip) for target, ip, _ in b.endpoint.asked]
        assert "192.0.2.3" not in [ip for _, ip, _ in b.endpoint.asked], "health_seconds 0: not asked"
        assert [(e.trunk, e.reachable, e.works) for e in b.published] == [(A, True, True), (B, False, False)]
        b.endpoint.codes["192.0.2.2"] = 200
        await until(lambda: b.row(B).reachable, "one answer")

    run(test)


def test_a_carrier_with_two_addresses_is_followed_to_the_one_that_answers() -> None:
    async def test(b: Bench) -> None:
        b.two_targets("sip.example.net")
        b.endpoint.codes = {"192.0.2.1": 408}
        await b.service.start()
        b.service.apply(snapshot(a=trunk("sip.example.net", health_seconds=1)), BIND)
        await until(lambda: b.row(A).reachable, "the second address answers")
        assert b.endpoint.account(A).ip == "192.0.2.2"
        told = len(b.endpoint.told)
        b.dns.asked.clear()
        await until(lambda: len(b.dns.asked) >= 7, "refreshes that change nothing")
        assert len(b.endpoint.told) == told, "it stays where it works"

    run(test)


def test_with_every_address_dead_each_is_tried_once_per_interval() -> None:
    async def test(b: Bench) -> None:
        b.two_targets("sip.example.net")
        b.endpoint.codes = {"192.0.2.1": 408, "192.0.2.2": 503}
        await b.service.start()
        b.service.apply(snapshot(a=trunk("sip.example.net", health_seconds=1)), BIND)
        await until(lambda: len(b.endpoint.asked) >= 9, "several rounds")
        assert {ip for _, ip, _ in b.endpoint.asked} == {"192.0.2.1", "192.0.2.2"}
        rounds = [at for _, _, at in b.endpoint.asked][-7:]
        assert rounds[-1] - rounds[0] >= 2.5, "three rounds, an interval apart"

    run(test)


def test_a_probe_that_breaks_does_not_end_the_watching() -> None:
    async def test(b: Bench) -> None:
        answer = b.endpoint.options
        broken = 0

        async def breaks_once(target: str, account: Address | TrunkId, timeout_s: float = 4.0) -> int:
            nonlocal broken
            broken += 1
            if broken == 1:
                raise RuntimeError("a bug")
            return await answer(target, account, timeout_s)

        b.endpoint.options = breaks_once  # type: ignore[method-assign]
        await b.service.start()
        b.service.apply(snapshot(a=trunk(health_seconds=1)), BIND)
        await until(lambda: b.row(A).reachable, "the next probe")

    run(test)


def test_a_silent_trunk_does_not_hold_up_the_others() -> None:
    async def test(b: Bench) -> None:
        answer = b.endpoint.options

        async def silent_first(target: str, account: Address | TrunkId, timeout_s: float = 4.0) -> int:
            if account == A:
                await asyncio.sleep(timeout_s)
                return 408
            return await answer(target, account, timeout_s)

        b.endpoint.options = silent_first  # type: ignore[method-assign]
        await b.service.start()
        b.service.apply(snapshot(a=trunk(health_seconds=1), b=trunk("192.0.2.2", health_seconds=1)), BIND)
        await until(lambda: len(b.endpoint.asked) >= 3, "three probes of the one that answers")
        assert b.row(A).code == 0, "the other's first has not even ended"

    run(test)


def test_a_registered_trunk_that_falls_silent_says_what_is_wrong() -> None:
    async def test(b: Bench) -> None:
        await b.service.start()
        b.service.apply(snapshot(a=trunk(username="u", secret="s3" * 4, health_seconds=1)), BIND)
        b.service.on_news(TrunkNews(A, 200, "OK", 300))
        await until(lambda: b.endpoint.asked and b.row(A).reachable, "an answer")
        b.endpoint.codes["192.0.2.1"] = 408
        await until(lambda: b.row(A).reachable is False, "silence")
        assert (b.row(A).registered, b.row(A).code, b.row(A).reason) == (True, 408, "no answer to OPTIONS")
        assert (b.published[-1].works, b.published[-1].code) == (False, 408)

    run(test)


def test_an_answer_from_the_address_before_is_not_taken() -> None:
    async def test(b: Bench) -> None:
        go = asyncio.Event()
        probes: list[str] = []

        async def late(_target: str, account: Address | TrunkId, timeout_s: float = 4.0) -> int:
            probes.append(b.endpoint.account(account).ip)
            if len(probes) == 1:
                await go.wait()
                return 200
            return 408

        b.endpoint.options = late  # type: ignore[method-assign]
        b.dns.zone["sip.example.net", "A"] = ["192.0.2.1"]
        await b.service.start()
        b.service.apply(snapshot(a=trunk("sip.example.net", port=5070, health_seconds=60)), BIND)
        await until(lambda: probes, "the first probe")
        b.dns.zone["sip.example.net", "A"] = ["192.0.2.2"]
        await until(lambda: b.endpoint.account(A).ip == "192.0.2.2", "the new address")
        go.set()
        await until(lambda: b.row(A).code == 408, "the new address is probed at once")
        assert probes == ["192.0.2.1", "192.0.2.2"]
        assert b.row(A).reachable is None

    run(test)


def test_another_route_moves_the_trunk_and_none_leaves_it_where_it_is() -> None:
    async def test(b: Bench) -> None:
        b.endpoint.listening = (*LISTENING, Address("10.0.0.1", 5060))
        bind = (*BIND, "10.0.0.1")
        await b.service.start()
        b.service.apply(snapshot(a=trunk()), bind)
        b.routes["192.0.2.1"] = "10.0.0.1"
        b.service.apply(snapshot(a=trunk()), bind)
        assert b.endpoint.account(A).local.ip == "10.0.0.1"
        del b.routes["192.0.2.1"]
        b.service.apply(snapshot(a=trunk()), bind)
        assert b.endpoint.account(A).local.ip == "10.0.0.1"
        assert len(b.endpoint.told) == 2

    run(test)


def test_no_name_is_ever_given_to_the_systems_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved: list[object] = []
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: (resolved.append(host), real(host, *rest, **more))[1])

    async def test(b: Bench) -> None:
        b.dns.zone["sip.example.net", "A"] = ["192.0.2.1"]
        await b.service.start()
        b.service.apply(snapshot(a=trunk("sip.example.net", health_seconds=1), b=trunk("dead.example.net")), BIND)
        await until(lambda: b.endpoint.told and b.row(A).reachable, "resolved and probed")
        assert not [host for host in resolved if "example" in str(host)]

    run(test)
