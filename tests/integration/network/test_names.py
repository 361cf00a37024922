"""The name cache against a real name server over UDP: answers, SRV, silence, nonsense, and a restart with DNS dead."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import dns.resolver
import pytest

from appliance.network.addresses import Limits, Target
from appliance.network.names import NameCache, system_servers
from tests.support.nameserver import NameServer, name_server

FAST = Limits(min_ttl_s=0.3, max_ttl_s=5.0, first_retry_s=0.1, last_retry_s=0.2, timeout_s=0.4)


async def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        await asyncio.sleep(0.01)


def run(test: Callable[[NameServer], Awaitable[None]]) -> None:
    async def main() -> None:
        server = await name_server()
        try:
            await test(server)
        finally:
            server.transport.close()

    asyncio.run(main())


def cache(server: NameServer, path: Path | None = None) -> NameCache:
    return NameCache(path, time.monotonic, servers=lambda: [server.address], limits=FAST)


def test_a_literal_is_known_at_once_and_never_asked() -> None:
    async def test(server: NameServer) -> None:
        names = cache(server)
        names.watch("192.0.2.7")
        await names.start()
        assert names.get("192.0.2.7") == "192.0.2.7"
        assert names.find("2001:DB8::1", 5070) == (Target("2001:db8::1", 5070),)
        assert not names.stale("192.0.2.7")
        await names.stop()
        assert server.asked == []

    run(test)


def test_a_name_is_resolved_in_the_background_told_and_followed() -> None:
    async def test(server: NameServer) -> None:
        server.zone["sip.example.net", "A"] = ["192.0.2.1"]
        names = cache(server)
        told: list[tuple[str, str]] = []
        names.listeners.append(lambda host, ip: told.append((host, ip)))
        await names.start()
        names.watch("sip.example.net", 5070)
        assert names.get("sip.example.net", 5070) is None, "never waits"
        await until(lambda: bool(told), "the first answer")
        assert names.get("SIP.example.net", 5070) == "192.0.2.1"
        assert not names.stale("sip.example.net", 5070)
        assert server.asked[0] == ("sip.example.net", "A"), "a chosen port asks for no SRV"
        server.zone["sip.example.net", "A"] = ["192.0.2.2"]
        await until(lambda: names.get("sip.example.net", 5070) == "192.0.2.2", "the new address after the TTL")
        assert told == [("sip.example.net", "192.0.2.1"), ("sip.example.net", "192.0.2.2")]
        await names.stop()

    run(test)


def test_ipv6_where_there_is_no_ipv4() -> None:
    async def test(server: NameServer) -> None:
        server.zone["six.example.net", "AAAA"] = ["2001:db8::5"]
        names = cache(server)
        await names.start()
        names.watch("six.example.net")
        await until(lambda: names.get("six.example.net") == "2001:db8::5", "the IPv6 address")
        await names.stop()
        assert server.asked[:3] == [("_sip._udp.six.example.net", "SRV"), ("six.example.net", "A"), ("six.example.net", "AAAA")]

    run(test)


def test_srv_gives_hosts_and_ports_in_their_order() -> None:
    async def test(server: NameServer) -> None:
        server.zone["_sip._tcp.example.net", "SRV"] = ["20 0 5080 b.example.net.", "10 0 5070 a.example.net.", "30 0 5060 gone.example.net."]
        server.zone["a.example.net", "A"] = ["192.0.2.1"]
        server.zone["b.example.net", "A"] = ["192.0.2.2"]
        names = cache(server)
        await names.start()
        names.watch("example.net", 5060, "tcp")
        await until(lambda: names.get("example.net", 5060, "tcp") is not None, "the SRV answer")
        assert names.find("example.net", 5060, "tcp") == (Target("192.0.2.1", 5070, 10), Target("192.0.2.2", 5080, 20))
        assert names.find("example.net") == (), "another transport is another question"
        await names.stop()

    run(test)


@pytest.mark.parametrize("mode", ["silent", "garbage", "wrong-id", "servfail"])
def test_a_bad_name_server_leaves_the_last_answer_and_is_forgiven(mode: str) -> None:
    async def test(server: NameServer) -> None:
        server.zone["sip.example.net", "A"] = ["192.0.2.1"]
        names = cache(server)
        await names.start()
        names.watch("sip.example.net")
        await until(lambda: names.get("sip.example.net") is not None, "the first answer")
        server.mode = mode
        server.zone["sip.example.net", "A"] = ["192.0.2.2"]
        await until(lambda: names.stale("sip.example.net"), "the answer gets old")
        asked = len(server.asked)
        await until(lambda: len(server.asked) >= asked + 4, "it goes on asking")
        assert names.get("sip.example.net") == "192.0.2.1"
        server.mode = "answer"
        await until(lambda: names.get("sip.example.net") == "192.0.2.2", "the server is back")
        assert not names.stale("sip.example.net")
        await names.stop()

    run(test)


@pytest.mark.parametrize("answer", [["0.0.0.0"], ["224.0.0.5"], []])
def test_an_answer_nobody_could_be_reached_at_is_not_taken(answer: list[str]) -> None:
    async def test(server: NameServer) -> None:
        server.zone["sip.example.net", "A"] = ["192.0.2.1"]
        names = cache(server)
        await names.start()
        names.watch("sip.example.net")
        await until(lambda: names.get("sip.example.net") is not None, "the first answer")
        # Empty: the name is gone altogether (NXDOMAIN).
        server.zone = {("sip.example.net", "A"): answer} if answer else {}
        asked = len(server.asked)
        await until(lambda: len(server.asked) >= asked + 6, "it goes on asking")
        assert names.get("sip.example.net") == "192.0.2.1"
        await names.stop()

    run(test)


def test_lost_srv_answers_do_not_move_a_name_to_its_bare_host() -> None:
    async def test(server: NameServer) -> None:
        server.zone["_sip._udp.example.net", "SRV"] = ["10 0 5070 a.example.net."]
        server.zone["a.example.net", "A"] = ["192.0.2.1"]
        server.zone["example.net", "A"] = ["192.0.2.99"]
        names = cache(server)
        await names.start()
        names.watch("example.net")
        await until(lambda: names.get("example.net") == "192.0.2.1", "the SRV answer")
        del server.zone["a.example.net", "A"]
        asked = len(server.asked)
        await until(lambda: len(server.asked) >= asked + 6, "it goes on asking")
        assert names.find("example.net") == (Target("192.0.2.1", 5070, 10),)
        await names.stop()

    run(test)


def test_the_second_server_is_used_while_the_first_is_dead() -> None:
    async def test(server: NameServer) -> None:
        dead = await name_server()
        dead.mode = "silent"
        server.zone["sip.example.net", "A"] = ["192.0.2.1"]
        names = NameCache(None, time.monotonic, servers=lambda: [dead.address, server.address], limits=FAST)
        await names.start()
        names.watch("sip.example.net")
        await until(lambda: names.get("sip.example.net") == "192.0.2.1", "the answer of the second")
        assert dead.asked
        await names.stop()
        dead.transport.close()

    run(test)


def test_a_restart_with_dns_dead_still_knows_the_addresses(tmp_path: Path) -> None:
    path = tmp_path / "names.json"

    async def test(server: NameServer) -> None:
        server.zone["sip.example.net", "A"] = ["192.0.2.1"]
        first = cache(server, path)
        await first.start()
        first.watch("sip.example.net")
        await until(path.exists, "the file")
        await first.stop()
        server.mode = "silent"
        second = cache(server, path)
        told: list[tuple[str, str]] = []
        second.listeners.append(lambda host, ip: told.append((host, ip)))
        second.watch("sip.example.net")
        await second.start()
        assert second.get("sip.example.net") == "192.0.2.1"
        assert second.stale("sip.example.net")
        assert told == [("sip.example.net", "192.0.2.1")]
        server.mode = "answer"
        await until(lambda: not second.stale("sip.example.net"), "fresh again")
        await second.stop()
        assert [p.name for p in tmp_path.iterdir()] == ["names.json"], "nothing half-written is left"

    run(test)


def test_the_file_is_written_for_changes_only(tmp_path: Path) -> None:
    path = tmp_path / "names.json"

    async def test(server: NameServer) -> None:
        server.zone["sip.example.net", "A"] = ["192.0.2.1", "192.0.2.2"]
        names = cache(server, path)
        await names.start()
        names.watch("sip.example.net")
        await until(path.exists, "the file")
        written = path.stat().st_mtime_ns, path.stat().st_ino
        server.zone["sip.example.net", "A"].reverse()
        asked = len(server.asked)
        await until(lambda: len(server.asked) >= asked + 6, "several refreshes")
        assert (path.stat().st_mtime_ns, path.stat().st_ino) == written, "flash wears out"
        await names.stop()

    run(test)


def test_a_disk_that_cannot_be_written_changes_nothing_for_calls(tmp_path: Path) -> None:
    async def test(server: NameServer) -> None:
        server.zone["sip.example.net", "A"] = ["192.0.2.1"]
        names = cache(server, tmp_path / "no-such-folder" / "names.json")
        await names.start()
        names.watch("sip.example.net")
        await until(lambda: names.get("sip.example.net") == "192.0.2.1", "the answer")
        await names.stop()

    run(test)


def test_a_broken_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "names.json"
    path.write_bytes(b"\xff\xfe{half")

    async def test(server: NameServer) -> None:
        server.zone["sip.example.net", "A"] = ["192.0.2.1"]
        names = cache(server, path)
        await names.start()
        names.watch("sip.example.net")
        await until(lambda: names.get("sip.example.net") == "192.0.2.1", "the answer")
        await until(lambda: b"half" not in path.read_bytes(), "the new file")
        await names.stop()
        assert json.loads(path.read_text())["version"] == 1

    run(test)


def test_no_name_server_at_all_is_a_failure_like_any_other() -> None:
    async def test(server: NameServer) -> None:
        server.zone["sip.example.net", "A"] = ["192.0.2.1"]
        found: list[tuple[str, int]] = []
        asked = 0

        def servers() -> list[tuple[str, int]]:
            nonlocal asked
            asked += 1
            if asked == 1:
                raise dns.resolver.NoResolverConfiguration
            if asked == 2:
                raise FileNotFoundError("resolv.conf")
            return found

        names = NameCache(None, time.monotonic, servers=servers, limits=FAST)
        await names.start()
        names.watch("sip.example.net")
        await until(lambda: asked > 3, "it goes on looking")
        assert names.get("sip.example.net") is None
        found.append(server.address)
        await until(lambda: names.get("sip.example.net") == "192.0.2.1", "the network came up")
        await names.stop()

    run(test)


def test_unwatch_ends_the_asking_and_two_users_count() -> None:
    async def test(server: NameServer) -> None:
        server.zone["sip.example.net", "A"] = ["192.0.2.1"]
        names = cache(server)
        await names.start()
        names.watch("sip.example.net")
        names.watch("sip.example.net")
        await until(lambda: names.get("sip.example.net") is not None, "the answer")
        names.unwatch("sip.example.net")
        asked = len(server.asked)
        await until(lambda: len(server.asked) > asked, "one user is left")
        names.unwatch("sip.example.net")
        assert names.get("sip.example.net") == "192.0.2.1"
        assert not [t for t in asyncio.all_tasks() if t.get_name().startswith("names:_sip") and not t.cancelling()]
        await names.stop()

    run(test)


def test_a_stop_that_comes_together_with_an_answer_is_not_lost() -> None:
    async def test(server: NameServer) -> None:
        server.zone["sip.example.net", "A"] = ["192.0.2.1"]
        for steps in range(100):
            names = cache(server)
            await names.start()
            names.watch("sip.example.net", 5070)
            asked = len(server.asked)
            while len(server.asked) == asked:
                await asyncio.sleep(0)
            # The answer is under way: meet it at every step of its way in.
            for _ in range(steps % 10):
                await asyncio.sleep(0)
            async with asyncio.timeout(5):
                await names.stop()

    run(test)


def test_a_failing_listener_does_not_stop_the_next() -> None:
    async def test(server: NameServer) -> None:
        server.zone["sip.example.net", "A"] = ["192.0.2.1"]
        names = cache(server)
        told: list[str] = []
        names.listeners += [lambda _host, _ip: 1 / 0, lambda _host, ip: told.append(ip)]
        await names.start()
        names.watch("sip.example.net")
        await until(lambda: told == ["192.0.2.1"], "the second listener")
        await names.stop()

    run(test)


def test_the_systems_name_servers(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("# by hand\nsearch example.org\nnameserver 192.0.2.53\nnameserver 2001:db8::53\noptions edns0\n")
    assert system_servers(path) == (("192.0.2.53", 53), ("2001:db8::53", 53))
    path.write_text("search example.org\n")
    with pytest.raises(dns.resolver.NoResolverConfiguration):
        system_servers(path)


def test_a_router_that_answers_every_name_with_itself_moves_no_trunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """As routers do that have lost their internet. Who really moves inside is believed in the end."""
    monkeypatch.setattr("appliance.network.names.INSIDE_BELIEVED", 8)

    async def test(server: NameServer) -> None:
        server.zone["sip.example.net", "A"] = ["198.51.100.1"]
        names = cache(server)
        names.watch("sip.example.net", 5070)
        await names.start()
        await until(lambda: names.get("sip.example.net", 5070) == "198.51.100.1", "the carrier's address")
        asked = len(server.asked)
        server.zone["sip.example.net", "A"] = ["192.168.1.1"]
        await until(lambda: len(server.asked) >= asked + 4, "asked again and again")
        assert names.get("sip.example.net", 5070) == "198.51.100.1"
        await until(lambda: names.get("sip.example.net", 5070) == "192.168.1.1", "believed")
        server.zone["sip.example.net", "A"] = ["198.51.100.1"]
        await until(lambda: names.get("sip.example.net", 5070) == "198.51.100.1", "back outside at once")
        await names.stop()

    run(test)
