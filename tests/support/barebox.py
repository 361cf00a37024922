"""The SIP side alone, without calls: endpoint, admission, registrar and message lamps of a site in a process of its own, each leg driven by the test.

    with BareBox(tmp_path, make_site(2)) as bare:
        call = phone.call(bare.uri("202")); leg = bare.incoming(); leg.answer(); leg.record(); leg.wait_news("Recorded"); leg.recording()

    python -m tests.support.barebox '{"ip": "127.0.0.1", …}'      (commands as JSON lines in, events as JSON lines out)
"""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import itertools
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from appliance.app.mwi import Mwi
from appliance.emergency.recognise import Recogniser
from appliance.sip import endpoint
from appliance.sip._pj.config import MediaPorts
from appliance.sip.admission import Admission, Admitted, Rules
from appliance.sip.api import Leg, Recorded
from appliance.sip.digest import DigestAuth
from appliance.sip.endpoint import EndpointConfig, SipEndpoint
from appliance.sip.messages import Reply, Request
from appliance.sip.registrar.bindings import Bindings, target
from appliance.sip.registrar.register import Registrar
from appliance.sip.text import Texts, send_text
from appliance.site.document import parse
from appliance.site.snapshot import Snapshot
from appliance.site.snapshot import compile as compiled
from appliance.sound import load
from appliance.types import Address, DeviceId, MailboxId
from tests.support.ports import free_run
from tests.support.proc import Program, wait_until
from tests.support.sites import Document, make_site
from tests.support.tone import write_pcm

ROOT = Path(__file__).resolve().parents[2]
Event = dict[str, Any]


class BareLeg:
    """One leg as the process sees it; `number` is its name there. Methods are those of `api.Leg`."""

    def __init__(self, bare: BareBox, number: int) -> None:
        self.bare, self.number = bare, number

    def do(self, command: str, **arguments: Any) -> Any:
        return self.bare.do("leg", number=self.number, name=command, arguments=arguments)

    def ring(self, code: int = 180) -> None:
        self.do("ring", code=code)

    def answer(self) -> Self:
        """200; waits until it is confirmed."""
        self.do("answer")
        self.wait_news("Answered")
        return self

    def hangup(self, code: int = 0) -> None:
        """Waits until the leg has ended."""
        self.do("hangup", code=code)
        self.wait_news("Ended")

    def hold(self) -> None:
        self.do("hold")

    def resume(self) -> None:
        self.do("resume")

    def play(self, wav: Path, *, loop: bool = False) -> int:
        """The id of the playback."""
        playback: int = self.bare.do("play", number=self.number, wav=str(wav), loop=loop)
        return playback

    def stop_playing(self) -> None:
        self.do("stop_playing")

    def record(self, rate: int = 8000) -> None:
        self.do("record", rate=rate)

    def stop_recording(self) -> None:
        """Waits for the last piece."""
        before = len(self.pieces(last=True))
        self.do("stop_recording")
        wait_until(lambda: len(self.pieces(last=True)) > before, 5, "the end of the recording")

    def news(self, kind: str = "") -> list[Event]:
        """News so far, of one class of `api` or all: {"news": "Digit", "digit": "5", …}."""
        return [e for e in list(self.bare.events) if e["event"] == "news" and e["leg"] == self.number and kind in ("", e["news"])]

    def wait_news(self, kind: str, timeout_s: float = 10.0, **fields: Any) -> Event:
        """The first news of a class with fields as given."""
        return wait_until(
            lambda: next((e for e in self.news(kind) if all(e.get(key) == value for key, value in fields.items())), None),
            timeout_s, f"{kind} {fields} at leg {self.number}; seen {[e['news'] for e in self.news()][-12:]}",
        )  # fmt: skip

    @property
    def digits(self) -> str:
        return "".join(e["digit"] for e in self.news("Digit"))

    def pieces(self, *, last: bool = False) -> list[Event]:
        """Recorded news (only the last ones of a recording); `pcm` as bytes."""
        return [{**e, "pcm": base64.b64decode(e["pcm"])} for e in self.news("Recorded") if e["last"] or not last]

    def seconds(self, rate: int = 8000) -> float:
        """How much was recorded so far."""
        return sum(len(e["pcm"]) for e in self.pieces()) / 2 / rate

    def recording(self, path: Path, rate: int = 8000) -> Path:
        """What was recorded so far as a WAV."""
        return write_pcm(path, b"".join(e["pcm"] for e in self.pieces()), rate)


class BareBox:
    """`sip`: (address, port). A leg that comes in waits for the test."""

    def __init__(self, folder: Path, site: Document | None = None, ip: str = "127.0.0.1") -> None:
        self.folder = folder
        self.events: list[Event] = []
        self._replies: dict[int, Event] = {}
        self._ids = itertools.count(1)
        self._taken = 0
        port = free_run(2, ip)
        self.sip = (ip, port)
        setup = {"ip": ip, "port": port, "site": site if site is not None else make_site()}
        self.program = Program([sys.executable, "-m", "tests.support.barebox", json.dumps(setup)], cwd=ROOT, log=folder / "barebox.log", on_line=self._take)
        try:
            self.wait_event("ready", 30.0)
        except BaseException:
            self.program.kill()
            raise

    def _take(self, line: str) -> None:
        if line.startswith('{"event"'):
            event = json.loads(line)
            if event["event"] == "reply":
                self._replies[event["id"]] = event
            else:
                self.events.append(event)

    def do(self, command: str, timeout_s: float = 40.0, **arguments: Any) -> Any:
        """A command to the process; its result, AssertionError with the error when it raised."""
        number = next(self._ids)
        self.program.send(json.dumps({"do": command, "id": number, "with": arguments}))

        def look() -> Event | None:
            assert self.program.running or number in self._replies, f"the bare box has ended:\n{self.program.tail()}"
            return self._replies.get(number)

        reply = wait_until(look, timeout_s, f"{command} done", interval_s=0.005)
        assert "error" not in reply, reply["error"]
        return reply["result"]

    def wait_event(self, kind: str, timeout_s: float = 10.0, start: int = 0) -> Event:
        def look() -> Event | None:
            found = next((e for e in self.events[start:] if e["event"] == kind), None)
            assert found or self.program.running, f"the bare box has ended:\n{self.program.tail()}"
            return found

        return wait_until(look, timeout_s, f"{kind} at the bare box")

    def uri(self, user: str) -> str:
        return f"sip:{user}@{self.sip[0]}:{self.sip[1]}"

    def incoming(self, timeout_s: float = 10.0) -> BareLeg:
        """The next incoming leg not handed out yet."""
        event = wait_until(lambda: next(iter(self._all("incoming")[self._taken :]), None), timeout_s, "a leg at the bare box")
        self._taken += 1
        return BareLeg(self, event["leg"])

    def _all(self, kind: str) -> list[Event]:
        return [e for e in self.events if e["event"] == kind]

    def join(self, a: BareLeg, b: BareLeg) -> None:
        self.do("join", numbers=[a.number, b.number])

    def texts(self) -> list[Event]:
        """Text messages taken: {device, to_user, text, …}."""
        return self._all("text")

    def send_text(self, device: str, from_user: str, text: str) -> list[int]:
        """To every contact of a device; the final statuses."""
        codes: list[int] = self.do("send_text", device=device, from_user=from_user, text=text)
        return codes

    def messages(self, counts: Mapping[str, tuple[int, int]]) -> None:
        """So many (new, old) messages are in these mailboxes."""
        self.do("mwi", counts=dict(counts))

    def load(self, site: Document) -> None:
        """Another revision."""
        self.do("load", site=site)

    def counts(self) -> dict[str, int]:
        """{"ports": of the bridge, "sounds": in memory, "legs", "subscriptions", …}."""
        result: dict[str, int] = self.do("counts")
        return result

    def stall(self, seconds: float) -> None:
        """Keep the SIP thread busy for so long."""
        self.do("stall", seconds=seconds)

    def stall_loop(self, seconds: float, news_limit: int) -> None:
        """Keep the asyncio side busy for so long, while more than `news_limit` news count as a backlog."""
        self.do("stall_loop", seconds=seconds, news_limit=news_limit)

    def said(self, text: str) -> bool:
        return any(text in line for line in self.program.lines)

    def close(self) -> None:
        self.program.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


# ---- the process -------------------------------------------------------------------------------------------------


def tell(event: str, **details: Any) -> None:
    sys.stdout.write(json.dumps({"event": event, **details}, default=str) + "\n")
    sys.stdout.flush()


class Process:
    """Everything at the SIP side of the engine, wired without calls."""

    def __init__(self, setup: dict[str, Any]) -> None:
        self.snapshot = self._compiled(setup["site"])
        self.legs: dict[int, Leg] = {}
        self.registrar = Registrar(Bindings())
        local = Address(setup["ip"], setup["port"])
        self.local = local
        self.admission = Admission(
            self._rules(), DigestAuth(self.snapshot.realm, b"k" * 32), self.registrar, self._free_legs, lambda ip: False, self._refused
        )
        config = EndpointConfig((local.ip,), local.port, local.port + 1, MediaPorts(20000, 20000), "bare")
        self.endpoint = SipEndpoint(config, self._decide, lambda news: None, self._tick)
        self.mwi = Mwi(self.endpoint, lambda: self.snapshot)
        self.admission.handlers["SUBSCRIBE"] = self.mwi.subscriptions.decide
        self.admission.handlers["MESSAGE"] = Texts(self.endpoint.take_text).take

    @staticmethod
    def _compiled(site: Document) -> Snapshot:
        document, secrets = parse(site)
        return compiled(document, 1, secrets)

    def _rules(self) -> Rules:
        return Rules(self.snapshot, Recogniser.of(self.snapshot).match)

    def _free_legs(self) -> int:
        return self.endpoint.free_legs()

    def _refused(self, refused: object) -> None:
        tell("refused", **dataclasses.asdict(refused))  # type: ignore[call-overload]

    def _decide(self, request: Request, now: float) -> Admitted | Reply | None:
        return self.admission.decide(request, now)

    def _tick(self, now: float) -> None:
        self.registrar.sweep(now)
        self.mwi.subscriptions.tick(now)

    async def run(self) -> None:
        await self.endpoint.start()
        tasks = [asyncio.create_task(work) for work in (self._invites(), self._texts())]
        reader = asyncio.StreamReader(limit=1 << 24)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        tell("ready")
        while line := await reader.readline():
            tasks.append(asyncio.create_task(self._command(json.loads(line))))
        await self.endpoint.stop()

    async def _command(self, command: Event) -> None:
        try:
            result = await getattr(self, f"do_{command['do']}")(**command["with"])
        except Exception as error:  # noqa: BLE001 - told to the test
            tell("reply", id=command["id"], error=f"{type(error).__name__}: {error}")
        else:
            tell("reply", id=command["id"], result=result)

    async def _invites(self) -> None:
        while True:
            leg = await self.endpoint.invites.get()
            number = len(self.legs) + 1
            self.legs[number] = leg
            leg.deliver_to(lambda _, news, number=number: self._news(number, news))  # type: ignore[misc]
            tell("incoming", leg=number)

    def _news(self, number: int, news: object) -> None:
        fields = dataclasses.asdict(news)  # type: ignore[call-overload]
        if isinstance(news, Recorded):
            fields["pcm"] = base64.b64encode(news.pcm).decode()
        tell("news", leg=number, news=type(news).__name__, at=time.monotonic(), **fields)

    async def _texts(self) -> None:
        while True:
            tell("text", **dataclasses.asdict(await self.endpoint.messages.get()))

    async def do_leg(self, number: int, name: str, arguments: dict[str, Any]) -> Any:
        return getattr(self.legs[number], name)(**arguments)

    async def do_play(self, number: int, wav: str, loop: bool) -> int:
        return self.legs[number].play(load(Path(wav)), loop)

    async def do_join(self, numbers: Sequence[int]) -> None:
        self.endpoint.join(*(self.legs[number] for number in numbers))

    async def do_send_text(self, device: str, from_user: str, text: str) -> list[int]:
        found = self.registrar.bindings.of(DeviceId(device), time.monotonic())
        from_uri = f"sip:{from_user}@{self.local.ip}:{self.local.port}"
        return [await send_text(self.endpoint, target(b), b.local, from_uri, text) for b in found]

    async def do_mwi(self, counts: dict[str, list[int]]) -> None:
        self.mwi.update({MailboxId(box): (new, old) for box, (new, old) in counts.items()})

    async def do_load(self, site: Document) -> None:
        self.snapshot = self._compiled(site)
        await self.endpoint.ask(lambda: self.admission.swap(self._rules()))
        self.mwi.site_changed()

    async def do_counts(self) -> dict[str, int]:
        ports, sounds = await self.endpoint.ask(self.endpoint.media_used)
        found = await self.endpoint.ask(self.mwi.subscriptions.counts)
        return {"ports": ports, "sounds": sounds, "subscriptions": found.subscriptions, **self.endpoint.counters()}

    async def do_stall(self, seconds: float) -> None:
        await self.endpoint.ask(time.sleep, seconds)

    async def do_stall_loop(self, seconds: float, news_limit: int) -> None:
        usual, endpoint.NEWS_LIMIT = endpoint.NEWS_LIMIT, news_limit
        time.sleep(seconds)
        endpoint.NEWS_LIMIT = usual


if __name__ == "__main__":
    asyncio.run(Process(json.loads(sys.argv[1])).run())
