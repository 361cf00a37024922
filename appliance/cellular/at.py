"""The AT dialogue without port or clock: bytes in, lines and answers out, one command at a time (3GPP TS 27.007, 27.005, ITU-T V.250)."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from enum import StrEnum

MAX_LINE = 1024
"""Longer than any line a modem sends here: what goes on for longer is another protocol."""
QUIET_S = 0.3
RESYNC_S = 2.0
"""After a command that was not answered the next one waits for QUIET_S of silence, RESYNC_S at most: a late answer must not be taken for its own. So it is
after one that hangs up: a NO CARRIER that comes behind its OK would end the next call."""
HURRY_S = 3.0
"""A text on its way, which may take half a minute, holds up a call no longer than this."""
EMERGENCY_S = 0.5
"""And an emergency call no longer than this: the text is sent again, the call has no other moment."""
MOST_QUEUED = 64
ESCAPE, SUBMIT = b"\x1b", b"\x1a"


class Verdict(StrEnum):
    OK = "OK"
    ERROR = "ERROR"
    CME = "+CME ERROR"
    CMS = "+CMS ERROR"
    NO_CARRIER = "NO CARRIER"
    BUSY = "BUSY"
    NO_ANSWER = "NO ANSWER"
    NO_DIALTONE = "NO DIALTONE"
    SILENT = "no answer in time"


CALL_WORDS = frozenset({Verdict.NO_CARRIER, Verdict.BUSY, Verdict.NO_ANSWER, Verdict.NO_DIALTONE})
"""Final results of a dialling command; at any other time news of the call."""
_ENDS = (bytearray(b"\r"), bytearray(b"\n"))
_FINALS = {verdict.value: verdict for verdict in (Verdict.OK, Verdict.ERROR, *CALL_WORDS)}
_NEWS = re.compile(r"\+|\^|\*|RING\b|RDY\b|NO CARRIER|BUSY|NO ANSWER|NO DIALTONE|VOICE CALL|MISSED_CALL|SMS (DONE|READY)|PB DONE|CALL READY|(NORMAL )?POWER")
"""How lines begin that come unasked."""


@dataclass(frozen=True, slots=True)
class Final:
    """How a command ended. `code`: of +CME and +CMS errors, None where the modem gave words."""

    verdict: Verdict
    code: int | None = None
    text: str = ""

    @property
    def ok(self) -> bool:
        return self.verdict is Verdict.OK


@dataclass(frozen=True, slots=True)
class Command:
    """`tag` and `call` tell whoever sent it what it was for. `bare`: its answer has no prefix (AT+CGSN). `payload`: goes after the prompt.

    `dials`: ATD and ATA; `emergency`: of an emergency call. `ends`: hangs up, after which the modem may yet tell of the call that ended.
    """

    text: str
    tag: str = ""
    timeout_s: float = 5.0
    bare: bool = False
    dials: bool = False
    emergency: bool = False
    ends: bool = False
    call: int = 0
    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class Line:
    """A line with a prefix: an answer's, or unasked for; it means the same either way."""

    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of a command, with its bare lines."""

    command: Command
    lines: tuple[str, ...]
    final: Final


@dataclass(frozen=True, slots=True)
class Noise:
    """What is no AT: garbage, an endless line, an answer nobody waits for."""


Heard = Line | Answer | Noise


class _Prompt:
    """The `>` that asks for a payload."""


class Framer:
    """Cuts a byte stream into lines, however it was split."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._skipping = False

    def push(self, data: bytes) -> None:
        self._held += data

    def pull(self, prompting: bool) -> str | _Prompt | Noise | None:
        """The next line; None: no whole one is there. `prompting`: a `>` at the start of a line is the prompt."""
        held = self._held
        while True:
            while held[:1] in _ENDS and not self._skipping:
                del held[:1]
            if prompting and not self._skipping and held[:1] == b">":
                del held[:1]
                return _Prompt()
            ends = [at for at in (held.find(b"\r"), held.find(b"\n")) if at >= 0]
            if not ends:
                if len(held) > MAX_LINE or self._skipping:
                    held.clear()
                    self._skipping = True
                return None
            line = bytes(held[: min(ends)])
            del held[: min(ends) + 1]
            if self._skipping or len(line) > MAX_LINE:
                self._skipping = False
                return Noise()
            # A port that wakes up sends NUL and 0xFF in front of the first line; Ctrl-Z comes back as echo.
            line = line.strip(b"\x00\xff \t" + SUBMIT + ESCAPE)
            if line:
                return line.decode("ascii") if all(0x20 <= byte < 0x7F for byte in line) else Noise()


class Channel:
    """One command in flight, the others wait; urgent ones first."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything: the port was opened anew."""
        self._framer = Framer()
        self._urgent: deque[Command] = deque()
        self._queue: deque[Command] = deque()
        self._flying: Command | None = None
        self._lines: list[str] = []
        self._prompted = False
        self._deadline_s = 0.0
        self._heard_at_s = 0.0
        self._resync_from_s: float | None = None
        self._out = bytearray()

    @property
    def idle(self) -> bool:
        return self._flying is None and not self._urgent and not self._queue

    def waits(self, tag: str) -> bool:
        """Whether a command with this tag has not gone to the port yet."""
        return any(command.tag == tag for command in (*self._urgent, *self._queue))

    def submit(self, command: Command, *, urgent: bool = False) -> None:
        """Send it when its turn comes. One that waits with the same text and payload already is not doubled; of too many the newest is left out."""
        queue = self._urgent if urgent else self._queue
        if (command not in queue or command.payload or urgent) and len(queue) < MOST_QUEUED:
            queue.append(command)

    def take(self, now: float) -> bytes:
        """What goes to the port now."""
        if self._flying is None and (self._urgent or self._queue) and self._in_step(now):
            self._flying = (self._urgent or self._queue).popleft()
            self._lines, self._prompted = [], False
            self._deadline_s = now + self._flying.timeout_s
            self._out += self._flying.text.encode("ascii") + b"\r"
        data = bytes(self._out)
        self._out.clear()
        return data

    def _in_step(self, now: float) -> bool:
        since = self._resync_from_s
        if since is not None and now - since < RESYNC_S and now - max(since, self._heard_at_s) < QUIET_S:
            return False
        self._resync_from_s = None
        return True

    def tick(self, now: float) -> list[Heard]:
        """Time passed: a command nobody answered is over."""
        flying = self._flying
        if flying is not None and flying.payload and self._urgent:
            patience_s = EMERGENCY_S if any(command.emergency for command in self._urgent) else HURRY_S
            self._deadline_s = min(self._deadline_s, now + patience_s if self._prompted else now)
        if flying is None or now < self._deadline_s:
            return []
        if flying.payload:
            self._out += ESCAPE  # else what follows would become part of a message
        return [self._finish(flying, Final(Verdict.SILENT), now)]

    def feed(self, data: bytes, now: float) -> list[Heard]:
        self._heard_at_s = now
        self._framer.push(data)
        heard: list[Heard] = []
        while (item := self._framer.pull(self._prompting)) is not None:
            if isinstance(item, Noise):
                heard.append(item)
            elif isinstance(item, _Prompt):
                self._prompted = True
                flying = self._flying
                assert flying is not None
                self._out += flying.payload + SUBMIT
                self._deadline_s = now + flying.timeout_s
            elif (found := self._read(item, now)) is not None:
                heard.append(found)
        return heard

    @property
    def _prompting(self) -> bool:
        return self._flying is not None and bool(self._flying.payload) and not self._prompted

    def _read(self, line: str, now: float) -> Heard | None:
        flying = self._flying
        if flying is not None and (line == flying.text or (flying.payload and line == flying.payload.decode("ascii"))):
            return None  # the echo
        final = final_of(line)
        if final is not None and final.verdict is Verdict.CMS and flying is not None and flying.dials:
            return Noise()  # of a text that was broken off for this call
        if final is not None and (final.verdict not in CALL_WORDS or (flying is not None and flying.dials)):
            return self._finish(flying, final, now) if flying is not None else Noise()
        if flying is not None and flying.bare and not _NEWS.match(line):
            if len(self._lines) < MOST_QUEUED:
                self._lines.append(line)
            return None
        return Line(line)

    def _finish(self, flying: Command, final: Final, now: float) -> Answer:
        self._flying = None
        if flying.ends or final.verdict is Verdict.SILENT:
            self._resync_from_s = now
        return Answer(flying, tuple(self._lines), final)


def final_of(line: str) -> Final | None:
    """What `line` ends a command with, if it does."""
    for verdict in (Verdict.CME, Verdict.CMS):
        if line.startswith(f"{verdict}:"):
            rest = line.partition(":")[2].strip()
            return Final(verdict, int(rest) if rest.isdigit() and len(rest) < 6 else None, rest)
    if line == "COMMAND NOT SUPPORT":
        return Final(Verdict.ERROR, text=line)
    return Final(_FINALS[line]) if line in _FINALS else None


def fields(line: str) -> list[str]:
    """The values behind a line's prefix: `+CLIP: "+1202",145,"",,"A, B"` -> ["+1202", "145", "", "", "A, B"]; commas within quotes are kept."""
    return [quoted or plain.strip() for quoted, plain in re.findall(r'\s*(?:"([^"]*)"|([^,]*?))\s*(?:,|$)', line.partition(":")[2])][:-1] or [""]


def masked(text: str) -> str:
    """For logs: of long runs of digits (IMEI, IMSI, numbers) the first three and last two."""
    return re.sub(r"\d{8,}", lambda run: f"{run[0][:3]}…{run[0][-2:]}", text)
