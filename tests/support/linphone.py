"""Drives linphonec as a phone: WAV files in place of a sound card, commands on its standard input, state from what it prints.

    with Linphone(tmp_path / "l") as phone:
        assert phone.register("alice", "secret", ("127.0.0.1", 5060))
        phone.call("sip:201@127.0.0.1:5060"); phone.hangup(); phone.recording()
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

from tests.support.net import Namespace, command_in
from tests.support.ports import free_run
from tests.support.proc import Program, wait_until
from tests.support.tone import tone_wav

_KNOWN = (
    ("opus", 48000, 2), ("speex", 16000, 1), ("speex", 8000, 1), ("PCMU", 8000, 1),
    ("PCMA", 8000, 1), ("G722", 8000, 1), ("GSM", 8000, 1), ("G729", 8000, 1),
)  # fmt: skip
"""Every codec it may have; one left out of its file is switched on by default."""


class Linphone:
    """`codecs`: those it offers, by SDP name. `answer`: "auto" or "manual". It has no list of events: what it prints is in `program.lines`."""

    def __init__(
        self,
        folder: Path,
        ip: str = "127.0.0.1",
        *,
        ns: Namespace | None = None,
        codecs: tuple[str, ...] = ("PCMU", "PCMA"),
        freq_hz: float = 1000.0,
        answer: str = "auto",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.ip = folder, ip
        first = 5060 if ns else free_run(40, ip)
        self.port = first
        tone = tone_wav(folder / "tone.wav", freq_hz, 60.0)
        lines = [
            "[sip]",
            f"sip_port={self.port}",
            f"sip_tcp_port={self.port}",
            "sip_tls_port=-1",
            f"bind_address={ip}",
            "default_proxy=-1",
            "use_ipv6=0",
            "verify_server_certs=0",
            "verify_server_cn=0",
            "guess_hostname=0",
            "use_rfc2833=1",
            f"contact=sip:linphone@{ip}",
            "[rtp]",
            f"audio_rtp_port={f'{first + 10}-{first + 38}' if not ns else '16000-16100'}",
            "[net]",
            "nat_policy_ref=",
            "[sound]",
            "echocancellation=0",
        ]
        for index, (mime, rate, channels) in enumerate(sorted(_KNOWN, key=lambda known: codecs.index(known[0]) if known[0] in codecs else 99)):
            lines += [f"[audio_codec_{index}]", f"mime={mime}", f"rate={rate}", f"channels={channels}", f"enabled={int(mime in codecs)}"]
        (folder / "linphonerc").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (folder / ".local/share/linphone").mkdir(parents=True, exist_ok=True)
        self._heard = folder / "heard.wav"
        self.program = Program(
            command_in(ns, ["linphonec", "-c", folder / "linphonerc", "-d", "6", "-l", folder / "linphone.log", *(["-a"] if answer == "auto" else [])]),
            env={"HOME": str(folder), "XDG_CONFIG_HOME": "", "XDG_DATA_HOME": ""},
            log=folder / "linphone.out",
        )
        try:
            self.program.wait_for_line("Warning: video is disabled")
            self.program.send("soundcard use files")
            self.program.send(f"play {tone}")
            self.program.send(f"record {self._heard}")
            self.program.wait_for_line("record ")
        except BaseException:
            self.program.kill()
            raise

    def _say(self, command: str, pattern: str, timeout_s: float = 10.0) -> str:
        """A command, and the first line after it that fits."""
        start = len(self.program.lines)
        self.program.send(command)
        return self.program.wait_for_line(pattern, timeout_s, start).string

    def register(self, user: str, secret: str, server: tuple[str, int], *, transport: str = "udp", domain: str = "", timeout_s: float = 6.0) -> bool:
        """Register and say whether that worked within `timeout_s` (a refused one stays refused)."""
        proxy = f"sip:{server[0]}:{server[1]};transport={transport}"
        self.program.send(f"register sip:{user}@{domain or f'{server[0]}:{server[1]}'} {proxy} {secret}")

        refused: list[str] = []

        def registered() -> bool:
            line = self._say("status register", r"registered, identity|registered=|Password for")
            # Asked for another password, it takes whatever is typed next as one: such a phone is good for nothing more.
            refused.extend([line] if "Password for" in line else [])
            return bool(refused) or "registered, identity" in line

        try:
            wait_until(registered, timeout_s, "linphone's registration", interval_s=0.05)
        except AssertionError:
            return False
        return not refused

    def dial(self, uri: str) -> None:
        self.program.send(f"call {uri}")

    def call(self, uri: str, timeout_s: float = 10.0) -> bool:
        """Dial and wait until it is answered (True) or over (False)."""
        return "connected" in self._say(f"call {uri}", r"Call \d+ (with|to) .* (connected|ended|error)|failed", timeout_s)

    def wait_line(self, pattern: str, timeout_s: float = 10.0, start: int = 0) -> str:
        """`Receiving new incoming call`, `ringing`, `connected`, `ended`, `paused` …"""
        return self.program.wait_for_line(pattern, timeout_s, start).string

    def accept(self) -> None:
        self.program.send("answer")

    def hangup(self) -> None:
        self._say("terminate", "ended")

    def hold(self) -> None:
        self._say("pause", "[Pp]aused")

    def resume(self) -> None:
        self.program.send("resume")

    def transfer(self, uri: str) -> None:
        """Blind transfer of the current call."""
        self.program.send(f"transfer {uri}")

    def digits(self, digits: str) -> None:
        """RFC 4733 digits into the current call."""
        log = self.folder / "linphone.log"
        for digit in digits:
            # A digit typed while another is sent replaces it.
            done = log.read_text(errors="replace").count("Finished sending RFC2833")
            self.program.send(digit)
            wait_until(lambda done=done: log.read_text(errors="replace").count("Finished sending RFC2833") > done, 3.0, f"linphone sending {digit}")  # type: ignore[misc]

    def recording(self) -> Path:
        """What was heard in the last call; complete once the call has ended."""
        return self._heard

    def kill(self) -> None:
        """The phone's power goes."""
        self.program.kill()

    def close(self) -> None:
        """Without taking leave: its orderly end takes 2 to 5 seconds."""
        self.program.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
