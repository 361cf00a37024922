"""A pjsua2 phone in its own process, the tests' workhorse: registers over UDP, TCP or TLS, calls, sends a tone and records what it hears.

    with PjPhone(tmp_path / "a") as a, PjPhone(tmp_path / "b") as b:
        assert a.register("alice", "secret", server).ok
        call = a.call("sip:201@127.0.0.1:5060").wait("CONFIRMED"); call.hangup(); tone_fraction(call.recording)
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.support.net import Namespace, command_in
from tests.support.ports import free_run
from tests.support.proc import Program, wait_until
from tests.support.sipmsg import Headers, Message, parse
from tests.support.tone import tone_wav

ROOT = Path(__file__).resolve().parents[2]
_ORDER = ("CALLING", "INCOMING", "EARLY", "CONNECTING", "CONFIRMED", "DISCONNECTED")

Event = dict[str, Any]


@dataclass
class Registration:
    """What became of a REGISTER: final status code, and whether the binding is alive. `code` 408 when nobody answered."""

    code: int
    active: bool
    expires: int

    @property
    def ok(self) -> bool:
        return self.code == 200 and self.active


class PjCall:
    """One call of a phone, either way; `tag` is its number at the phone."""

    def __init__(self, phone: PjPhone, tag: int) -> None:
        self.phone, self.tag = phone, tag
        self._seen = 0

    def events(self, kind: str = "") -> list[Event]:
        """Events of this call so far: "incoming", "state", "media", "digit", "refer", "transfer", "answered"."""
        return [e for e in list(self.phone.events) if e.get("call") == self.tag and kind in ("", e["event"])]

    @property
    def state(self) -> str:
        states = self.events("state")
        return states[-1]["state"] if states else "INCOMING"

    @property
    def code(self) -> int:
        """The last status code."""
        states = self.events("state")
        return int(states[-1]["code"]) if states else 0

    @property
    def digits(self) -> str:
        """DTMF received."""
        return "".join(e["digit"] for e in self.events("digit"))

    @property
    def message(self) -> Message:
        """The INVITE of an incoming call."""
        return parse(str(self.events("incoming")[0]["message"]).encode())

    @property
    def recording(self) -> Path:
        """What was heard; its last 100 ms may be missing until the call is over."""
        return self.phone.folder / f"heard-{self.tag}.wav"

    def wait(self, state: str, timeout_s: float = 10.0) -> Self:
        """Until a state is reached: CALLING, EARLY, CONFIRMED, DISCONNECTED. AssertionError at once when the call has ended without it."""

        def look() -> bool:
            states = [e["state"] for e in self.events("state")]
            if "DISCONNECTED" in states and state not in states:
                raise AssertionError(f"the call ended with {self.code} {self.events('state')[-1]['reason']!r} before it was {state}")
            return state in states

        wait_until(look, timeout_s, f"call {self.tag} of {self.phone.folder.name} in state {state}, it is {self.state} {self.code}")
        return self

    def wait_event(self, kind: str, timeout_s: float = 10.0, **fields: Any) -> Event:
        """The first event of a kind, with fields as given (`wait_event("media", status="held-by-peer")`)."""
        return wait_until(
            lambda: next((e for e in self.events(kind) if all(e.get(key) == value for key, value in fields.items())), None),
            timeout_s, f"{kind} {fields} in call {self.tag} of {self.phone.folder.name}; seen {self.events()[-6:]}",
        )  # fmt: skip

    def wait_next(self, kind: str, after: int, timeout_s: float = 10.0) -> Event:
        """The event of a kind number `after` (0: the first) of this call."""
        return wait_until(lambda: next(iter(self.events(kind)[after:]), None), timeout_s, f"{kind} number {after} in call {self.tag}")

    def answer(self, code: int = 200, headers: Headers = ()) -> Self:
        """180, 183 (early media), 200 or a refusal."""
        self.phone.do("answer", call=self.tag, code=code, headers=[list(h) for h in headers])
        return self

    def hangup(self, code: int = 0) -> Self:
        """Whatever the state asks for; waits until the call is gone."""
        self.phone.do("hangup", call=self.tag, code=code)
        wait_until(lambda: self.state == "DISCONNECTED", 10.0, f"call {self.tag} gone")
        return self

    def hold(self) -> None:
        """re-INVITE sendonly; waits for its answer."""
        before = len(self.events("media"))
        self.phone.do("hold", call=self.tag)
        self.wait_next("media", before)

    def resume(self) -> None:
        """re-INVITE sendrecv; waits for its answer."""
        before = len(self.events("media"))
        self.phone.do("resume", call=self.tag)
        self.wait_next("media", before)

    def send_digits(self, digits: str, method: str = "rfc4733") -> None:
        """`method`: "rfc4733" or "info"."""
        self.phone.do("digits", call=self.tag, digits=digits, method=method)

    def refer(self, uri: str) -> None:
        """Blind transfer; progress arrives as "transfer" events."""
        self.phone.do("refer", call=self.tag, uri=uri)

    def refer_to(self, other: PjCall) -> None:
        """Attended transfer (Refer-To with Replaces) to the far end of another call of this phone."""
        self.phone.do("refer_replaces", call=self.tag, other=other.tag)

    def send_text(self, text: str) -> None:
        """A MESSAGE inside the dialog."""
        self.phone.do("send_text_in_call", call=self.tag, text=text)

    def silence(self, silent: bool = True) -> None:
        """Stop (or start again) sending the tone; RTP goes on."""
        self.phone.do("silence", call=self.tag, silent=silent)

    def stats(self) -> dict[str, Any]:
        """{codec, rx, rx_lost, tx, rtt_ms}: packets so far."""
        result: dict[str, Any] = self.phone.do("stats", call=self.tag)
        return result

    def wait_heard(self, packets: int, timeout_s: float = 10.0) -> Self:
        """Until that many RTP packets were received (50 a second)."""
        wait_until(lambda: self.stats()["rx"] >= packets, timeout_s, f"{packets} packets in call {self.tag} of {self.phone.folder.name}", interval_s=0.1)
        return self


class PjPhone:
    """`answers`: codes an incoming call is answered with at once: (200,) auto-answer, (180,) ring and wait for `PjCall.answer`, (183,) early media.

    `by_header`: 200 at once only to an INVITE that asks for it as desk phones know it (Call-Info: …;answer-after=0); others get `answers`.
    """

    def __init__(
        self,
        folder: Path,
        ip: str = "127.0.0.1",
        *,
        ns: Namespace | None = None,
        codecs: Sequence[str] = ("PCMU", "PCMA"),
        freq_hz: float = 1000.0,
        answers: Sequence[int] = (180, 200),
        by_header: bool = False,
        rate: int = 8000,
        srtp: bool = False,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.ip = folder, ip
        self.events: list[Event] = []
        self._replies: dict[int, Event] = {}
        self._ids = itertools.count(1)
        self._taken = 0
        self.port = 5060 if ns else free_run(100, ip)
        setup = {
            "ip": ip, "port": self.port, "rtp_port": 16000 if ns else self.port + 4, "folder": str(folder), "codecs": list(codecs), "answers": list(answers),
            "rate": rate, "srtp": srtp, "by_header": by_header, "tone": str(tone_wav(folder / "tone.wav", freq_hz, 20.0, rate)),
            "account": {"user": "phone", "domain": f"{ip}:{self.port}"},
        }  # fmt: skip
        argv = [sys.executable, "-m", "tests.support.pjphone_process", json.dumps(setup)]
        self.program = Program(command_in(ns, argv), cwd=ROOT, log=folder / "pjphone.out", on_line=self._take)
        try:
            self.wait_event("ready")
        except BaseException:
            self.program.kill()
            raise

    def _take(self, line: str) -> None:
        if not line.startswith('{"event"'):
            return
        event = json.loads(line)
        if event["event"] == "reply":
            self._replies[event["id"]] = event
        else:
            self.events.append(event)

    def do(self, command: str, **arguments: Any) -> Any:
        """A command to the process; its result, AssertionError with the library's sentence when it refused."""
        number = next(self._ids)
        self.program.send(json.dumps({"do": command, "id": number, "with": arguments}))

        def look() -> Event | None:
            if not self.program.running and number not in self._replies:
                raise AssertionError(f"the phone {self.folder.name} has ended:\n{self.program.tail()}")
            return self._replies.get(number)

        reply = wait_until(look, 10.0, f"{command} done by {self.folder.name}", interval_s=0.005)
        assert "error" not in reply, reply["error"]
        return reply["result"]

    def wait_event(self, kind: str, timeout_s: float = 10.0, start: int = 0) -> Event:
        """The first event of a kind from index `start` of `events` on."""

        def look() -> Event | None:
            found = next((e for e in self.events[start:] if e["event"] == kind), None)
            if found is None and not self.program.running:
                raise AssertionError(f"the phone {self.folder.name} has ended:\n{self.program.tail()}")
            return found

        return wait_until(look, timeout_s, f"{kind} at {self.folder.name}")

    def register(
        self,
        user: str,
        secret: str,
        server: tuple[str, int],
        *,
        transport: str = "udp",
        domain: str = "",
        auth_user: str = "",
        expires_s: int = 120,
        timeout_s: float = 10.0,
        mwi: bool = False,
    ) -> Registration:
        """Register and wait for the outcome. `domain`: the address-of-record's host where it is not the server's; `auth_user`: the digest user name.

        `mwi`: subscribe to waiting messages, too; what it is told comes as "mwi" events.
        """
        start = len(self.events)
        registrar = f"sip:{server[0]}:{server[1]}" + (f";transport={transport}" if transport != "udp" else "")
        self.do(
            "register", user=user, domain=domain or f"{server[0]}:{server[1]}", secret=secret, auth_user=auth_user or user,
            registrar=registrar, expires=expires_s, transport=transport, mwi=mwi,
        )  # fmt: skip
        event = self.wait_event("registration", timeout_s, start)
        return Registration(event["code"], event["active"], event["expires"])

    def unregister(self) -> Registration:
        start = len(self.events)
        self.do("unregister")
        event = self.wait_event("registration", start=start)
        return Registration(event["code"], event["active"], event["expires"])

    def send_text(self, uri: str, text: str) -> None:
        """A MESSAGE; its answer comes as a "text-status" event, one that arrives as "text"."""
        self.do("send_text", uri=uri, text=text)

    def call(self, uri: str, headers: Headers = ()) -> PjCall:
        """Dial; returns at once."""
        return PjCall(self, self.do("call", uri=uri, headers=[list(h) for h in headers]))

    def incoming(self, timeout_s: float = 10.0) -> PjCall:
        """The next incoming call not handed out yet."""

        def look() -> Event | None:
            return next(iter([e for e in self.events if e["event"] == "incoming"][self._taken : self._taken + 1]), None)

        event = wait_until(look, timeout_s, f"a call at {self.folder.name}")
        self._taken += 1
        return PjCall(self, event["call"])

    def no_call(self) -> bool:
        """Has no call come in that was not handed out?"""
        return sum(1 for e in self.events if e["event"] == "incoming") == self._taken

    def referred(self, event: Event) -> PjCall:
        """The call this phone makes because of a "refer" event."""
        return PjCall(self, event["new"])

    def kill(self) -> None:
        """The phone's power goes: nobody is told."""
        self.program.kill()

    def close(self) -> None:
        self.program.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
