"""A cellular modem on pseudo-terminals: speaks a SIM7600's or an EC25's dialogue, and fails the ways they do."""

from __future__ import annotations

import contextlib
import math
import os
import re
import select
import struct
import threading
import time
import tty
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.tone import write_pcm

ALPHABET = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
EXTENSION = {0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]", 0x40: "|", 0x65: "€"}
IDENTITY = {"simcom": ("SIMCOM INCORPORATED", "SIMCOM_SIM7600G-H"), "quectel": ("Quectel", "EC25"), "other": ("ACME", "Telegraph 1")}
SIM_ERRORS = {"absent": 10, "broken": 13, "busy": 14}


@dataclass
class Line:
    """The modem's call as the network sees it. `state` is +CLCC's <stat>."""

    number: str
    outgoing: bool
    state: int


@dataclass
class SimModem:
    """`folder`: where `at` and `audio` link to the terminals, as /dev/serial/by-id does. All that can be set may be set at any time.

    `verdicts`: the next answers to a command that begins so, instead of its own. `far`: what happens to calls it makes: "answers", "rings", "busy", "refuses".
    `pieces`: how many bytes go out at once. `deaf`: it takes what comes and says nothing.
    """

    folder: Path
    kind: str = "simcom"
    sim: str = "READY"
    cs: int = 1
    eps: int = 1
    ims: bool = False
    far: str = "answers"
    late: str = ""
    """What comes 50 ms behind the rest as it hangs up: "OK", or "NO CARRIER"."""
    deaf: bool = False
    pieces: int = 0
    operator: str = "Holdfast Mobile"
    pin: str = ""
    """What opens a card whose `sim` is "SIM PIN"; three wrong ones make it "SIM PUK"."""
    wrong: int = 0
    verdicts: dict[str, list[str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    texts: list[tuple[str, str, bytes]] = field(default_factory=list)
    """Number, text and header of each part."""
    tones: str = ""
    call: Line | None = None
    sound: bool = False
    heard: bytearray = field(default_factory=bytearray)
    freq_hz: float = 0.0
    """The far end is this tone while a call has sound."""

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._echo = True
        self._held = b""
        self._payload = False
        self._masters: list[int] = []
        self._slaves: list[int] = []
        self._stop = threading.Event()
        self._said = 0
        self._said_from_s = 0.0
        self.plug()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def at(self) -> Path:
        return self.folder / "at"

    @property
    def audio(self) -> Path:
        return self.folder / "audio"

    # ---- what a test does to it ----------------------------------------------------------------------------------

    def plug(self) -> None:
        with self._lock:
            for path in (self.at, self.audio):
                master, slave = os.openpty()
                tty.setraw(slave)
                os.set_blocking(master, False)
                path.symlink_to(os.ttyname(slave))
                self._masters.append(master)
                self._slaves.append(slave)
            self._echo, self._held, self._payload = True, b"", False

    def unplug(self) -> None:
        with self._lock:
            self.call, self.sound = None, False
            for path in (self.at, self.audio):
                path.unlink(missing_ok=True)
            for end in (*self._masters, *self._slaves):
                os.close(end)
            self._masters, self._slaves = [], []

    def restart(self) -> None:
        """As a modem does whose power failed for a moment: what was set is forgotten, and it says that it is ready."""
        with self._lock:
            self._echo, self.call = True, None
        self.say("RDY")

    def say(self, line: str) -> None:
        """Something unasked."""
        self.raw(f"\r\n{line}\r\n".encode())

    def raw(self, data: bytes) -> None:
        with self._lock:
            self._write(data)

    def play(self, data: bytes) -> None:
        """Sound of the far end."""
        with self._lock, contextlib.suppress(BlockingIOError):
            if self._masters:
                os.write(self._masters[1], data)

    def register(self, cs: int, eps: int) -> None:
        self.cs, self.eps = cs, eps
        self.say(f"+CREG: {cs}")
        self.say(f"+CEREG: {eps}")

    def ring(self, number: str) -> None:
        self.call = Line(number, False, 4)
        self.say("RING")
        self.say(f'+CLIP: "{number}",145,,,,0')

    def pick_up(self) -> None:
        assert self.call is not None
        self.call.state = 0
        if self.kind == "simcom":
            self.say("VOICE CALL: BEGIN")

    def drop(self) -> None:
        """The far end hangs up."""
        self.call = None
        if self.kind == "simcom":
            self.say("VOICE CALL: END: 000017")
        self.say("NO CARRIER")

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5)
        self.unplug()

    # ---- its own life --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                masters = list(self._masters)
            try:
                readable = select.select(masters, [], [], 0.01)[0] if masters else []
            except (OSError, ValueError):  # unplugged meanwhile
                continue
            if not masters:
                time.sleep(0.005)
            self._speak()
            with self._lock:
                for master in readable:
                    if master not in self._masters:
                        continue
                    try:
                        data = os.read(master, 4096)
                    except OSError:
                        continue
                    if master == self._masters[1]:
                        self.heard += data if self.sound else b""
                    elif not self.deaf:
                        self._read(data)

    def _speak(self) -> None:
        """As modems do, two frames at once."""
        now = time.monotonic()
        if not self.sound or not self.freq_hz:
            self._said, self._said_from_s = 0, now
            return
        while self._said_from_s + self._said / 8000 <= now:
            samples = (int(9000 * math.sin(2 * math.pi * self.freq_hz * (self._said + n) / 8000)) for n in range(320))
            self.play(struct.pack("<320h", *samples))
            self._said += 320

    def recording(self, path: Path) -> Path:
        """What the far end heard, as a WAV."""
        with self._lock:
            return write_pcm(path, bytes(self.heard[: len(self.heard) // 2 * 2]))

    def _write(self, data: bytes) -> None:
        step = self.pieces or len(data) or 1
        for at in range(0, len(data), step):
            with contextlib.suppress(BlockingIOError):
                os.write(self._masters[0], data[at : at + step])

    def _read(self, data: bytes) -> None:
        self._held += data
        while self._held:
            if self._payload:
                end = re.search(rb"[\x1a\x1b]", self._held)
                if end is None:
                    return
                pdu, key = self._held[: end.start()], end[0]
                self._held, self._payload = self._held[end.end() :], False
                if self._echo:
                    self._write(pdu + key)
                if key == b"\x1a":
                    self._text(pdu.decode())
                continue
            self._held = self._held.lstrip(b"\x1b")
            command, found, rest = self._held.partition(b"\r")
            if not found:
                return
            self._held = rest
            if self._echo:
                self._write(command + b"\r")
            self._command(command.decode("ascii", "replace").strip())

    def _say(self, *lines: str) -> None:
        self._write("".join(f"\r\n{line}\r\n" for line in lines).encode())

    def _command(self, text: str) -> None:
        self.asked.append(text)
        for start, answers in self.verdicts.items():
            if answers and text.startswith(start):
                answer = answers.pop(0)
                if answer:
                    self._say(answer)
                return
        maker, model = IDENTITY[self.kind]
        own = {
            "AT": (), "AT+CGMI": (maker,), "AT+CGMM": (model,), "AT+CGSN": ("867584030000011",), "AT+CIMI": ("310150123456789",),
            "AT+CREG?": (f"+CREG: 1,{self.cs}",), "AT+CEREG?": (f"+CEREG: 1,{self.eps}",), "AT+CSQ": ("+CSQ: 21,99",),
            "AT+COPS?": (f'+COPS: 0,0,"{self.operator}",7',) if {self.cs, self.eps} & {1, 5} else ("+COPS: 0",), "AT+CEER": (f"+CEER: {self._cause()}",),
        }  # fmt: skip
        if text in own:
            self._say(*own[text], "OK")
        elif text == "AT+CPIN?":
            self._say(f"+CME ERROR: {SIM_ERRORS[self.sim]}") if self.sim in SIM_ERRORS else self._say(f"+CPIN: {self.sim}", "OK")
        elif found := re.fullmatch(r'AT\+CPIN="(.*)"', text):
            self._unlock(found[1])
        elif text == "ATE0":
            self._echo = False
            self._say("OK")
        elif text in {"AT+CMEE=1", "AT+CVHU=0", "AT+CREG=1", "AT+CEREG=1", "AT+CLIP=1", "AT+CMGF=0", "AT+COPS=3,0"}:
            self._say("OK")
        elif text.startswith("AT+CMGS="):
            self._payload = True
            self._write(b"\r\n> ")
        elif text.startswith("AT+VTS="):
            self.tones += text[7:]
            self._say("OK" if self.call else "ERROR")
        elif text == "AT+CLCC":
            self._say(*self._calls(), "OK")
        elif text in {"AT+CHUP", "ATH"}:
            self._hang_up()
        elif text == "ATA":
            self._say("OK") if self.call else self._say("NO CARRIER")
            if self.call:
                self.pick_up()
        elif found := re.fullmatch(r"ATD([+0-9*#]+);", text):
            self._dial(found[1])
        elif not (self._simcom(text) if self.kind == "simcom" else self._quectel(text)):
            self._say("ERROR")

    def _simcom(self, text: str) -> bool:
        if text in {"AT+CPCMFRM=0", "AT+CLCC=0"}:
            self._say("OK")
        elif text == "AT+CIREG?":
            self._say(f"+CIREG: 0,{int(self.ims)}", "OK")
        elif text in {"AT+CPCMREG=1", "AT+CPCMREG=0"}:
            good = text.endswith("0") or (self.call is not None and self.call.state == 0)
            self.sound = good and text.endswith("1")
            self._say("OK" if good else "ERROR")
        else:
            return False
        return True

    def _quectel(self, text: str) -> bool:
        if text == 'AT+QCFG="ims"':
            self._say(f'+QCFG: "ims",1,{int(self.ims)}', "OK")
        elif text in {"AT+QPCMV=1,0", "AT+QPCMV=0"}:
            good = text.endswith("=0") or self.call is None or not self.call.outgoing
            self.sound = good and text.endswith("1,0")
            self._say("OK" if good else "+CME ERROR: 4")
        else:
            return False
        return True

    def _unlock(self, pin: str) -> None:
        if self.sim == "SIM PIN" and pin == self.pin:
            self.sim = "READY"
            self._say("OK", "+CPIN: READY")
            return
        self.wrong += 1
        if self.wrong >= 3:
            self.sim = "SIM PUK"
        self._say("+CME ERROR: 16")

    def _cause(self) -> str:
        return "User busy" if self.far == "busy" else "No user responding" if self.far == "rings" else "Call rejected"

    def _calls(self) -> list[str]:
        rows = ['+CLCC: 1,0,0,1,0,"",128'] if self.kind == "quectel" else []  # the data session
        if self.call is not None:
            rows.append(f'+CLCC: {len(rows) + 1},{int(not self.call.outgoing)},{self.call.state},0,0,"{self.call.number}",145')
            if self.call.outgoing and self.call.state == 2:
                self.call.state = 3
        return rows

    def _dial(self, number: str) -> None:
        if self.call is not None:
            self._say("ERROR")
            return
        self.call = Line(number, True, 2)
        self._say("OK")
        if self.far in {"busy", "refuses"}:
            self.call = None
            # A circuit-switched SIM7600 tells it in a word; over VoLTE, and on the EC25, it is only gone.
            self._say("BUSY" if self.far == "busy" and self.kind == "simcom" and not self.ims else "NO CARRIER")
        elif self.far == "answers":
            self.pick_up()

    def _hang_up(self) -> None:
        if self.call is None or self.late != "OK":
            self._say("OK")
        if self.call is None:
            return
        if self.late == "NO CARRIER":
            self.call = None
        else:
            self.drop()
        if self.late:
            threading.Timer(0.05, self._say_late, (self.late,)).start()

    def _say_late(self, line: str) -> None:
        with self._lock:
            if self._masters:
                self._say(line)

    def _text(self, pdu: str) -> None:
        self.texts.append(read_pdu(pdu))
        for answer in self.verdicts.get("text", [])[:1]:
            self.verdicts["text"].pop(0)
            self.texts.pop()
            self._say(answer)
            return
        self._say(f"+CMGS: {len(self.texts)}", "OK")


def read_pdu(text: str) -> tuple[str, str, bytes]:
    """Number, text and user data header of an SMS-SUBMIT, read bit by bit and so by another way than the product writes it."""
    data = bytes.fromhex(text)
    assert data[0] == 0, "the service centre is the SIM card's"
    first, digits, kind = data[1], data[3], data[4]
    assert first & 0x03 == 1
    at = 5 + (digits + 1) // 2
    number = "".join(f"{byte & 15:x}{byte >> 4:x}" for byte in data[5:at])[:digits].translate(str.maketrans("ab", "*#"))
    assert data[at] == 0
    coding, length = data[at + 1], data[at + 3]
    body = data[at + 4 :]
    header = body[: body[0] + 1] if first & 0x40 else b""
    if coding == 8:
        assert len(body) == length <= 140
        words = body[len(header) :].decode("utf-16-be")
    else:
        assert coding == 0
        assert len(body) == (length * 7 + 7) // 8 <= 140
        bits = [byte >> bit & 1 for byte in body for bit in range(8)]
        skip = (len(header) * 8 + 6) // 7
        codes = [sum(bits[7 * n + bit] << bit for bit in range(7)) for n in range(skip, length)]
        words, escaped = "", False
        for code in codes:
            words += EXTENSION[code] if escaped else "" if code == 0x1B else ALPHABET[code]
            escaped = code == 0x1B and not escaped
    return ("+" if kind == 0x91 else "") + number, words, header


@contextlib.contextmanager
def sim_modem(folder: Path, **settings: object) -> Iterator[SimModem]:
    modem = SimModem(folder, **settings)  # type: ignore[arg-type]
    try:
        yield modem
    finally:
        modem.close()
