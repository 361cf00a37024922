"""The control socket over real sockets: rights, slow and broken clients, many clients, life and death of the box."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import socket
import stat
import struct
import time
from pathlib import Path

import pytest

from appliance.control import protocol
from appliance.control import server as server_module
from appliance.control.client import AsyncClient, Client, RemoteError
from appliance.control.protocol import METHODS, Method, Params
from appliance.control.server import Server
from appliance.errors import ControlError, DocumentError, Problem

NOBODY = 65534
HELLO = b'{"jsonrpc":"2.0","id":0,"method":"hello","params":{"version":1}}\n'


class Echo(Params):
    text: str = ""


async def status(params, peer):
    return {"uid": peer.uid, "role": peer.role}


async def echo(params, peer):
    return params["text"]


class Box:
    """A server with its handlers, and what tests want of them."""

    def __init__(self, path: Path, **options):
        self.server = Server(path, release="1.2.3", **options)
        self.path = path
        self.gate = asyncio.Event()
        self.waiting = 0
        self.finished = 0
        self.server.register(METHODS["status"], status)
        self.server.register(Method("echo", Echo, roles=frozenset({"web"})), echo)
        self.server.register(Method("big"), self.big)
        self.server.register(Method("wait"), self.wait)
        self.server.register(Method("late", timeout_s=0.05), self.late)
        self.server.register(Method("crash"), self.crash)
        self.server.register(Method("refuse"), self.refuse)
        self.server.register(Method("huge"), self.huge)
        self.server.register(Method("bytes"), self.bytes)

    async def big(self, params, peer):
        return "x" * 4_000_000

    async def huge(self, params, peer):
        return "x" * (protocol.MAX_FRAME + 1)

    async def wait(self, params, peer):
        self.waiting += 1
        await self.gate.wait()
        self.finished += 1
        return "done"

    async def late(self, params, peer):
        await self.gate.wait()

    async def crash(self, params, peer):
        raise RuntimeError("a bug with a secret inside")

    async def refuse(self, params, peer):
        raise DocumentError("two problems", (Problem("users.x", "is wrong", "mend it"),))

    async def bytes(self, params, peer):
        return b"raw"


def run(tmp_path: Path, scenario, **options):
    async def main():
        box = Box(tmp_path / "control.sock", **options)
        await box.server.start()
        try:
            async with asyncio.timeout(60):
                return await scenario(box)
        finally:
            await box.server.close()
            assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    return asyncio.run(main())


async def until(condition, why: str, limit_s: float = 10.0):
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, why
        await asyncio.sleep(0.005)


async def raw(box: Box, greet: bool = True):
    reader, writer = await asyncio.open_unix_connection(str(box.path), limit=protocol.MAX_FRAME + 1024)
    if greet:
        writer.write(HELLO)
        assert "result" in json.loads(await reader.readline())
    return reader, writer


async def still_well(box: Box):
    async with AsyncClient(box.path) as client:
        assert (await client.call("status"))["role"] == "admin"


# ---- answering --------------------------------------------------------------------------------------------------


def test_hello_says_what_there_is_and_calls_are_answered(tmp_path):
    async def scenario(box):
        reader, writer = await raw(box, greet=False)
        writer.write(HELLO)
        hello = json.loads(await reader.readline())["result"]
        assert (hello["version"], hello["release"], hello["role"], hello["topics"]) == (1, "1.2.3", "admin", ["events", "trace"])
        assert "status" in hello["methods"]
        writer.write(b'{"jsonrpc":"2.0","id":"a","method":"status"}\n')
        assert json.loads(await reader.readline()) == {"jsonrpc": "2.0", "id": "a", "result": {"uid": os.getuid(), "role": "admin"}}
        writer.close()

    run(tmp_path, scenario)


def test_errors_keep_code_sentence_hint_and_problems_and_a_bug_shows_nothing_inside(tmp_path, caplog):
    async def scenario(box):
        async with AsyncClient(box.path) as client:
            with pytest.raises(RemoteError) as refused:
                await client.call("refuse")
            assert refused.value.as_dict()["problems"] == [{"path": "users.x", "sentence": "is wrong", "hint": "mend it"}]
            assert (refused.value.code, refused.value.sentence) == ("document", "two problems")
            assert refused.value.problems == [Problem("users.x", "is wrong", "mend it")]
            for method, code in (("crash", "internal"), ("bytes", "internal"), ("late", "timeout"), ("huge", "too-long"), ("no-such", "protocol")):
                with pytest.raises(RemoteError) as found:
                    await client.call(method)
                assert found.value.code == code
                assert "secret" not in str(found.value.as_dict())
            assert await client.call("echo", text="still here") == "still here"

    run(tmp_path, scenario)
    assert "control method crash failed" in caplog.text


def test_answers_come_in_their_own_order_and_a_client_has_only_so_many_running(tmp_path):
    async def scenario(box):
        reader, writer = await raw(box)
        for number in range(20):
            writer.write(b'{"id":%d,"method":"wait"}\n' % number)
        writer.write(b'{"id":99,"method":"status"}\n')
        await until(lambda: box.waiting == server_module.MAX_IN_FLIGHT, "eight run")
        async with AsyncClient(box.path) as other:  # a client with its hands full does not hold another
            assert await other.call("echo", text="x") == "x"
        assert box.waiting == server_module.MAX_IN_FLIGHT
        box.gate.set()
        assert {json.loads(await reader.readline())["id"] for _ in range(21)} == {*range(20), 99}
        writer.close()

    run(tmp_path, scenario)


def test_a_client_that_hangs_up_its_sending_half_still_gets_every_answer(tmp_path):
    async def scenario(box):
        reader, writer = await raw(box)
        writer.writelines(b'{"id":%d,"method":"wait"}\n' % number for number in range(12))
        writer.write_eof()
        await until(lambda: box.waiting == 8, "eight run")
        box.gate.set()
        lines = (await reader.read()).splitlines()
        assert {json.loads(line)["id"] for line in lines} == set(range(12))
        await until(lambda: box.server.clients == 0, "the connection is closed")
        writer.close()

    run(tmp_path, scenario)


def test_a_notification_is_carried_out_and_not_answered(tmp_path):
    async def scenario(box):
        box.gate.set()
        reader, writer = await raw(box)
        writer.write(b'{"method":"wait"}\n')
        await until(lambda: box.finished == 1, "it ran")
        writer.write(b'{"id":1,"method":"status"}\n')
        assert json.loads(await reader.readline())["id"] == 1
        writer.close()

    run(tmp_path, scenario)


# ---- rights -----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.getuid() != 0, reason="needs to act as another user")
@pytest.mark.parametrize("role", ["", "web"])
def test_rights_come_from_the_kernel_and_are_denied_by_default(role):
    async def scenario(box):
        box.path.chmod(0o666)  # so that what is tested is the peer's uid, not the file's mode
        plain = socket.socket(socket.AF_UNIX)
        os.seteuid(NOBODY)
        try:
            plain.connect(str(box.path))
        finally:
            os.seteuid(0)
        reader, writer = await asyncio.open_unix_connection(sock=plain)
        if not role:
            refused = json.loads(await reader.readline())
            assert refused["error"]["data"]["code"] == "denied"
            assert await reader.read() == b""
        else:
            writer.write(HELLO)
            hello = json.loads(await reader.readline())["result"]
            assert (hello["role"], hello["methods"], hello["topics"]) == ("web", ["echo"], [])
            requests = ({"method": "status"}, {"method": "subscribe", "params": {"topic": "trace"}}, {"method": "echo", "params": {"text": "mine"}})
            for number, wanted in enumerate(requests):
                writer.write(json.dumps({"id": number, **wanted}).encode() + b"\n")
            answers = {answer["id"]: answer for answer in [json.loads(await reader.readline()) for _ in requests]}
            assert [answers[n].get("error", {}).get("code") for n in (0, 1)] == [protocol.RpcCode.DENIED] * 2
            assert answers[2]["result"] == "mine"
        writer.close()

    # Not in pytest's own folder, which other users cannot enter.
    folder = Path("/tmp") / f"holdfast-test-{os.getpid()}-{random.randrange(10**9)}"
    folder.mkdir(mode=0o755)
    try:
        run(folder, scenario, roles={"web": {NOBODY}} if role else {})
    finally:
        folder.rmdir()


# ---- broken clients ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"GET /status HTTP/1.1\r\nHost: box\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) + b"\n",
        b"[" * 4000 + b"\n",
        b"null\n",
        b'{"id":1,"method":"status"}\n',
        b'{"id":1,"method":"hello","params":{"version":2}}\n',
        b'{"id":1,"method":"hello","params":{"version":"1"}}\n',
        b"x" * (protocol.MAX_HELLO_FRAME + 1),
    ],
    ids=["http", "tls", "nested", "null", "no-hello", "other-version", "text-version", "no-newline"],
)
def test_who_does_not_greet_properly_is_told_and_disconnected(tmp_path, data):
    async def scenario(box):
        reader, writer = await raw(box, greet=False)
        writer.write(data)
        lines = (await reader.read()).splitlines()
        assert len(lines) == 1
        assert "error" in json.loads(lines[0])
        writer.close()
        await until(lambda: box.server.clients == 0, "it is forgotten")
        await still_well(box)

    run(tmp_path, scenario)


def test_garbage_after_hello_is_told_and_disconnected(tmp_path):
    async def scenario(box):
        chance = random.Random(7)
        for _ in range(50):
            reader, writer = await raw(box)
            writer.write(chance.randbytes(chance.randrange(1, 3000)) + b"\n")
            assert "error" in json.loads(await reader.readline())
            writer.close()
        await still_well(box)

    run(tmp_path, scenario)


def test_a_huge_frame_is_refused_without_being_kept(tmp_path):
    async def scenario(box):
        reader, writer = await raw(box)
        chunk = b"x" * 1_000_000
        for _ in range(20):
            writer.write(chunk)
            await writer.drain()
        assert "too long" in json.loads(await reader.readline())["error"]["message"]
        writer.close()
        await still_well(box)

    run(tmp_path, scenario)


def test_a_frame_of_nearly_the_limit_passes_also_byte_by_byte_at_its_ends(tmp_path):
    async def scenario(box):
        reader, writer = await raw(box)
        frame = protocol.request(1, "echo", {"text": "y" * (protocol.MAX_FRAME - 200)})
        for part in (*(frame[i : i + 1] for i in range(30)), frame[30:-1]):
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)
        writer.write(frame[-1:])
        assert len(json.loads(await reader.readline())["result"]) == protocol.MAX_FRAME - 200
        writer.close()

    run(tmp_path, scenario)


def test_a_client_that_dies_mid_call_or_mid_answer_hurts_nobody_and_its_call_is_finished(tmp_path, caplog):
    async def scenario(box):
        _, writer = await raw(box)
        writer.write(b'{"id":1,"method":"wait"}\n{"id":2,"met')  # and half a frame
        await until(lambda: box.waiting == 1, "it runs")
        writer.transport.abort()
        await still_well(box)
        box.gate.set()
        await until(lambda: box.finished == 1, "what it began is done to the end")
        await until(lambda: box.server.clients == 0, "it is gone")
        for linger in (False, True):
            reader, writer = await raw(box)
            if linger:
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.write(b'{"id":1,"method":"big"}\n')
            assert await reader.readexactly(10)
            writer.transport.abort()  # most of the answer still on its way
            await until(lambda: box.server.clients == 0, "it is gone")
        await still_well(box)

    run(tmp_path, scenario)
    assert "Traceback" not in caplog.text


def test_who_takes_no_answers_is_disconnected_and_holds_nobody(tmp_path):
    async def scenario(box):
        _, writer = await raw(box)
        writer.transport.pause_reading()
        writer.writelines(b'{"id":%d,"method":"big"}\n' % number for number in range(50))
        await still_well(box)
        await until(lambda: box.server.clients == 0, "it is cut off")
        writer.close()

    run(tmp_path, scenario, stall_s=0.3)


def test_who_never_says_hello_is_disconnected(tmp_path, monkeypatch):
    monkeypatch.setattr(protocol, "HELLO_S", 0.1)

    async def scenario(box):
        reader, writer = await raw(box, greet=False)
        assert await reader.read() == b""
        writer.close()

    run(tmp_path, scenario)


# ---- subscriptions ----------------------------------------------------------------------------------------------


def test_events_reach_the_subscribers_of_their_topic_until_they_unsubscribe(tmp_path):
    async def scenario(box):
        reader, writer = await raw(box)
        assert not box.server.wanted("events")
        writer.write(b'{"id":1,"method":"subscribe","params":{"topic":"events"}}\n')
        number = json.loads(await reader.readline())["result"]["subscription"]
        assert (box.server.wanted("events"), box.server.wanted("trace")) == (True, False)
        box.server.publish("trace", {"n": 0})
        box.server.publish("events", {"n": 1, "text": "a\nb\u2028c"})
        event = json.loads(await reader.readline())["params"]
        assert event == {"subscription": number, "topic": "events", "lost": 0, "data": {"n": 1, "text": "a\nb\u2028c"}}
        writer.write(b'{"id":2,"method":"unsubscribe","params":{"subscription":%d}}\n' % number)
        assert json.loads(await reader.readline())["result"] == {"removed": True}
        assert not box.server.wanted("events")
        for topic in ("weather", ""):
            writer.write(json.dumps({"id": 3, "method": "subscribe", "params": {"topic": topic}}).encode() + b"\n")
            assert json.loads(await reader.readline())["error"]["code"] == protocol.RpcCode.DENIED
        writer.close()

    run(tmp_path, scenario)


def test_a_slow_reader_loses_the_oldest_and_learns_how_many_the_engine_never_waits(tmp_path):
    async def scenario(box):
        reader, writer = await raw(box)
        writer.write(b'{"id":1,"method":"subscribe","params":{"topic":"trace"}}\n')
        await reader.readline()
        writer.transport.pause_reading()
        total = 5000
        began = time.monotonic()
        for number in range(total):
            box.server.publish("trace", {"n": number, "text": "x" * 1000})
        assert time.monotonic() - began < 5
        writer.transport.resume_reading()
        seen, lost = [], 0
        while not seen or seen[-1] != total - 1:
            params = json.loads(await reader.readline())["params"]
            lost += params["lost"]
            seen.append(params["data"]["n"])
        assert seen == sorted(seen)
        assert lost == total - len(seen) > 0
        # What it holds for a client: the socket's buffers, the high-water mark and one queue, not five million bytes.
        assert len(seen) * 1000 < 3_000_000
        writer.close()

    run(tmp_path, scenario)


def test_a_reader_that_stopped_is_disconnected_while_others_get_everything(tmp_path):
    async def scenario(box):
        slow_reader, slow = await raw(box)
        slow.write(b'{"id":1,"method":"subscribe","params":{"topic":"trace"}}\n')
        await slow_reader.readline()
        slow.transport.pause_reading()
        async with contextlib.aclosing(AsyncClient(box.path).subscribe("trace")) as good:
            first = asyncio.ensure_future(anext(good))
            await until(lambda: sum(len(c.subscriptions) for c in box.server._connections) == 2, "both subscribe")
            for number in range(1500):
                box.server.publish("trace", {"n": number, "text": "x" * 1000})
                if number == 0:
                    assert (await first).data["n"] == 0
                else:
                    assert (await anext(good)).data["n"] == number
            await until(lambda: box.server.clients == 1, "the stopped one is cut off")
            box.server.publish("trace", {"n": -1})
            assert (await anext(good)).data == {"n": -1}
        slow.close()

    run(tmp_path, scenario, stall_s=0.3)


def test_an_event_that_is_no_json_is_logged_and_sent_to_nobody(tmp_path, caplog):
    async def scenario(box):
        reader, writer = await raw(box)
        writer.write(b'{"id":1,"method":"subscribe","params":{"topic":"events"}}\n')
        await reader.readline()
        box.server.publish("events", {"x": b"raw"})
        box.server.publish("events", {"x": 1})
        assert json.loads(await reader.readline())["params"]["data"] == {"x": 1}
        writer.close()

    run(tmp_path, scenario)
    assert "cannot be sent" in caplog.text


# ---- many clients -----------------------------------------------------------------------------------------------


def test_two_hundred_clients_call_and_listen_at_once(tmp_path):
    async def scenario(box):
        listeners = [await raw(box) for _ in range(100)]
        for reader, writer in listeners:
            writer.write(b'{"id":1,"method":"subscribe","params":{"topic":"events"}}\n')
            await reader.readline()

        async def caller(number):
            async with AsyncClient(box.path, timeout_s=50) as client:
                return [await client.call("echo", text=f"{number}-{turn}") for turn in range(10)]

        callers = [asyncio.create_task(caller(number)) for number in range(100)]
        for number in range(50):
            box.server.publish("events", {"n": number})
            await asyncio.sleep(0)
        for number, answers in enumerate(await asyncio.gather(*callers)):
            assert answers == [f"{number}-{turn}" for turn in range(10)]
        for reader, writer in listeners:
            assert [json.loads(await reader.readline())["params"]["data"]["n"] for _ in range(50)] == list(range(50))
            writer.close()
        await until(lambda: box.server.clients == 0, "all are forgotten")

    run(tmp_path, scenario)


def test_the_connections_have_a_limit_and_who_is_over_it_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(server_module, "MAX_CLIENTS", 3)

    async def scenario(box):
        held = [await raw(box) for _ in range(3)]
        reader, writer = await raw(box, greet=False)
        assert json.loads(await reader.readline())["error"]["data"]["code"] == "busy"
        for _, other in (*held, (reader, writer)):
            other.close()
        await until(lambda: box.server.clients == 0, "all are forgotten")
        await still_well(box)

    run(tmp_path, scenario)


def test_the_handlers_running_have_a_limit_over_all_clients(tmp_path, monkeypatch):
    monkeypatch.setattr(server_module, "MAX_RUNNING", 2)

    async def scenario(box):
        async with AsyncClient(box.path) as client:
            running = [asyncio.create_task(client.call("wait")) for _ in range(2)]
            await until(lambda: box.waiting == 2, "two run")
            with pytest.raises(RemoteError, match="hands full"):
                await client.call("status")
            box.gate.set()
            assert await asyncio.gather(*running) == ["done", "done"]
            assert (await client.call("status"))["role"] == "admin"

    run(tmp_path, scenario)


# ---- the socket -------------------------------------------------------------------------------------------------


def test_the_socket_has_mode_0660_leaves_no_other_file_and_goes_with_the_box(tmp_path):
    async def scenario(box):
        assert stat.S_IMODE(box.path.stat().st_mode) == 0o660
        assert [path.name for path in tmp_path.iterdir()] == ["control.sock"]

    run(tmp_path, scenario)
    assert list(tmp_path.iterdir()) == []


def test_a_stale_socket_is_replaced_and_a_missing_folder_made(tmp_path):
    folder = tmp_path / "run"

    async def scenario(box):
        await still_well(box)

    run(folder, scenario)
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(folder / "control.sock"))
    run(folder, scenario)


def test_a_living_box_is_not_replaced(tmp_path):
    async def scenario(box):
        second = Server(box.path)
        with pytest.raises(ControlError, match="Another box already answers") as caught:
            await second.start()
        assert caught.value.hint
        await second.close()  # must not take the first one's socket away
        await still_well(box)

    run(tmp_path, scenario)


@pytest.mark.parametrize("kind", ["file", "folder", "long", "no-folder"])
def test_a_path_that_cannot_be_used_is_one_sentence_and_a_hint_and_nothing_is_lost(tmp_path, kind):
    path = tmp_path / "control.sock"
    if kind == "file":
        path.write_text("precious")
    elif kind == "folder":
        path.mkdir()
    elif kind == "long":
        path = tmp_path / ("x" * 200)
    else:
        (tmp_path / "file").write_text("x")
        path = tmp_path / "file" / "control.sock"

    async def main():
        with pytest.raises(ControlError) as caught:
            await Server(path).start()
        assert caught.value.hint

    asyncio.run(main())
    if kind == "file":
        assert path.read_text() == "precious"


def test_the_longest_path_allowed_works(tmp_path):
    base = Path("/tmp") / f"holdfast-long-{os.getpid()}"
    path = base / ("x" * (107 - len(str(base)) - 1))

    async def main():
        server = Server(path)
        server.register(METHODS["status"], status)
        await server.start()
        async with AsyncClient(path) as client:
            assert (await client.call("status"))["role"] == "admin"
        await server.close()

    try:
        asyncio.run(main())
    finally:
        base.rmdir()


# ---- clients ----------------------------------------------------------------------------------------------------


def test_calls_of_one_async_client_run_side_by_side(tmp_path):
    async def scenario(box):
        async with AsyncClient(box.path) as client:
            slow = asyncio.create_task(client.call("wait"))
            assert await client.call("echo", text="quick") == "quick"
            assert not slow.done()
            box.gate.set()
            assert await slow == "done"

    run(tmp_path, scenario)


def test_callers_learn_that_the_box_died_and_the_same_client_finds_the_next_box(tmp_path):
    async def main():
        box = Box(tmp_path / "control.sock")
        await box.server.start()
        async with AsyncClient(box.path) as client:
            waiting = asyncio.create_task(client.call("wait"))
            await until(lambda: box.waiting == 1, "it runs")
            await box.server.close()
            with pytest.raises(ControlError) as caught:
                await waiting
            assert (caught.value.code, bool(caught.value.hint)) == ("closed", True)
            with pytest.raises(ControlError) as caught:
                await client.call("status")
            assert caught.value.code == "not-running"
            assert "make run" in caught.value.hint
            box = Box(box.path)
            await box.server.start()
            assert (await client.call("status"))["role"] == "admin"
        await box.server.close()

    asyncio.run(main())


def test_the_same_waiting_client_finds_the_next_box(tmp_path):
    async def main():
        path = tmp_path / "control.sock"
        with Client(path) as client:
            for _ in range(2):
                box = Box(path)
                await box.server.start()
                assert (await asyncio.to_thread(client.call, "status"))["role"] == "admin"
                await box.server.close()
                with pytest.raises(ControlError) as caught:
                    await asyncio.to_thread(client.call, "status")
                assert caught.value.code == "closed"

    asyncio.run(main())


def test_a_waiting_client_gives_up_in_time_on_a_box_that_hangs(tmp_path):
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as hanging:
        hanging.bind(str(path))
        hanging.listen(1)
        with pytest.raises(ControlError) as caught:
            Client(path, timeout_s=0.2).call("status")
        assert caught.value.code == "timeout"
        with pytest.raises(ControlError) as caught:
            asyncio.run(AsyncClient(path, timeout_s=0.2).call("echo"))
        assert caught.value.code == "timeout"


@pytest.mark.parametrize("exists", [False, True])
def test_no_box_is_said_with_what_to_do(tmp_path, exists):
    path = tmp_path / "control.sock"
    if exists:
        with socket.socket(socket.AF_UNIX) as killed:
            killed.bind(str(path))
    with pytest.raises(ControlError, match="No box answers") as caught:
        Client(path).call("status")
    assert "make run" in caught.value.hint


def test_the_waiting_client_calls_again_after_a_refusal_and_subscribes(tmp_path):
    async def scenario(box):
        def work():
            with Client(box.path) as client:
                with pytest.raises(RemoteError):
                    client.call("refuse")
                assert client.call("echo", text="é\x1b") == "é\x1b"
                events = client.subscribe("events", wait_s=10)
                loop.call_soon_threadsafe(box.server.publish, "events", {"n": 1})
                found = next(events)
                assert (found.topic, found.data, found.lost) == ("events", {"n": 1}, 0)
                events.close()
                with pytest.raises(RemoteError, match="no topic"):
                    client.subscribe("weather")

        loop = asyncio.get_running_loop()
        await asyncio.to_thread(work)
        await until(lambda: box.server.clients == 0, "both connections are closed")

    run(tmp_path, scenario)
