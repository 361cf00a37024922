"""Drives baresip as a phone: one process per phone, tone from a WAV, everything heard recorded, control over its JSON socket.

    with Baresip(tmp_path / "a", "127.0.0.1") as phone:
        phone.register("alice", "secret", ("127.0.0.1", 5060))
        phone.dial("sip:201@127.0.0.1"); phone.wait_event("CALL_ESTABLISHED"); phone.hangup(); phone.recording()
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from pathlib import Path
from typing import Any, Self

from tests.support.net import Namespace, command_in
from tests.support.ports import free_run
from tests.support.proc import Program, wait_until
from tests.support.tone import tone_wav

_MODULES = Path("/usr/lib/baresip/modules")
_CODECS = {"pcmu": "PCMU", "pcma": "PCMA", "g722": "G722", "opus": "opus"}


class Baresip:
    """`codecs`: offered, in order. `answer`: "auto", "manual" (phone rings until `accept`). `mwi`: watch for waiting messages ("MWI_NOTIFY" events)."""

    def __init__(
        self,
        folder: Path,
        ip: str = "127.0.0.1",
        *,
        ns: Namespace | None = None,
        codecs: tuple[str, ...] = ("pcmu", "pcma"),
        freq_hz: float = 1000.0,
        answer: str = "auto",
        rate: int = 8000,
        mwi: bool = False,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.ip, self.ns, self.codecs, self.answer, self.mwi = folder, ip, ns, codecs, answer, mwi
        self.events: list[dict[str, Any]] = []
        self._responses: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        # In a namespace of its own every phone may use the same ports.
        first = 5060 if ns else free_run(50, ip)
        self.port = first
        control = first + 4  # +1 is taken by its TLS listener
        tone = tone_wav(folder / "tone.wav", freq_hz, 60.0, rate)
        lines = [
            f"sip_listen {ip}:{self.port}",
            f"module_path {_MODULES}",
            f"net_interface {ip}",
            "net_af ipv4",
            "sip_verify_server no",
            f"rtp_ports {first + 10 if not ns else 16000}-{first + 48 if not ns else 16100}",
            "call_local_timeout 120",
            "call_max_calls 4",
            "jitter_buffer_type fixed",
            "jitter_buffer_delay 2-10",
            # The bridge is a sound card that is not there: it keeps time and throws away what it gets. What was heard is kept by the sndfile filter.
            f"audio_source aufile,{tone}",
            "audio_player aubridge,sink",
            "audio_alert aubridge,bell",
            f"snd_path {folder}",
            f"ctrl_tcp_listen {ip}:{control}",
            *(f"module {name}.so" for name in ("g711", "g722", "opus", "aufile", "aubridge", "sndfile", "uuid")),
            "module_tmp account.so",
            "module_app menu.so",
            *(["module_app mwi.so"] if mwi else []),
            "module_app ctrl_tcp.so",
        ]
        for key in ("ausrc", "auplay"):
            lines += [f"{key}_srate {rate}", f"{key}_channels 1"]
        (folder / "config").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (folder / "accounts").write_text("", encoding="utf-8")
        (folder / "contacts").write_text("", encoding="utf-8")
        self.program = Program(command_in(ns, ["baresip", "-4", "-f", folder]), log=folder / "baresip.log")
        try:
            self.program.wait_for_line("baresip is ready")
            with ns.entered() if ns else contextlib.nullcontext():
                self._socket = socket.create_connection((ip, control), timeout=5.0)
        except BaseException:
            self.program.kill()
            raise
        self._socket.settimeout(None)
        self._reader = threading.Thread(target=self._read, name=f"baresip-{self.port}", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        buffer = b""
        while True:
            try:
                data = self._socket.recv(65536)
            except OSError:
                return
            if not data:
                return
            buffer += data
            while True:
                length, colon, rest = buffer.partition(b":")
                if not colon or not length.isdigit() or len(rest) <= int(length):
                    break
                news = json.loads(rest[: int(length)])
                buffer = rest[int(length) + 1 :]  # and the comma
                news["at"] = time.monotonic()
                (self.events if news.get("event") else self._responses).append(news)

    def command(self, name: str, params: str = "", *, timeout_s: float = 5.0) -> dict[str, Any]:
        """One menu command; its response {"ok": bool, "data": str}."""
        with self._lock:
            token = str(len(self._responses))
            body = json.dumps({"command": name, "params": params, "token": token}).encode()
            self._socket.sendall(b"%d:%s," % (len(body), body))
            return wait_until(lambda: next((r for r in self._responses if r.get("token") == token), None), timeout_s, f"baresip's response to {name}")

    def wait_event(self, kind: str, timeout_s: float = 10.0, start: int = 0) -> dict[str, Any]:
        """The first event of a type (REGISTER_OK, CALL_INCOMING, CALL_RINGING, CALL_PROGRESS, CALL_ESTABLISHED, CALL_CLOSED, …) from index `start` on."""
        return self._first((kind,), start, timeout_s, f"baresip event {kind}")

    def _first(self, kinds: tuple[str, ...], start: int, timeout_s: float, what: str) -> dict[str, Any]:
        try:
            return wait_until(lambda: next((e for e in self.events[start:] if e["type"] in kinds), None), timeout_s, what)
        except AssertionError as error:
            raise AssertionError(f"{error}; seen {[e['type'] for e in self.events]}\n{self.program.tail(15)}") from None

    def account(
        self, user: str, secret: str, server: tuple[str, int], *, transport: str = "udp", domain: str = "", auth_user: str = "", expires_s: int = 60
    ) -> None:
        """Make the account; `domain`: the address-of-record's host where it is not the server's. `expires_s` 0: do not register."""
        aor = f"<sip:{user}@{domain or f'{server[0]}:{server[1]}'};transport={transport}>"
        options = [
            f'auth_pass="{secret}"',
            f"auth_user={auth_user or user}",
            f'outbound="sip:{server[0]}:{server[1]};transport={transport}"',
            f"regint={expires_s}",
            f"answermode={self.answer}",
            f"audio_codecs={','.join(_CODECS[name] for name in self.codecs)}",
            f"mwi={'yes' if self.mwi else 'no'}",
        ]
        self.command("uanew", ";".join([aor, *options]))

    def register(
        self, user: str, secret: str, server: tuple[str, int], *, transport: str = "udp", domain: str = "", auth_user: str = "", expires_s: int = 60
    ) -> dict[str, Any]:
        """Make an account and wait for what became of its registration: the REGISTER_OK or REGISTER_FAIL event."""
        start = len(self.events)
        self.account(user, secret, server, transport=transport, domain=domain, auth_user=auth_user, expires_s=expires_s)
        return self._first(("REGISTER_OK", "REGISTER_FAIL"), start, 10.0, f"baresip's registration of {user}")

    def dial(self, uri: str) -> None:
        self.command("dial", uri)

    def call(self, uri: str, timeout_s: float = 10.0) -> dict[str, Any]:
        """Dial and wait until it is answered (CALL_ESTABLISHED) or over (CALL_CLOSED); that event."""
        start = len(self.events)
        self.dial(uri)
        return self._first(("CALL_ESTABLISHED", "CALL_CLOSED"), start, timeout_s, f"the fate of the call to {uri}")

    def accept(self) -> None:
        self.command("accept")

    def hangup(self) -> None:
        """End the current call and wait until it is gone."""
        start = len(self.events)
        self.command("hangup")
        self.wait_event("CALL_CLOSED", start=start)

    def hold(self) -> None:
        self.command("hold")

    def resume(self) -> None:
        self.command("resume")

    def transfer(self, uri: str) -> None:
        """Blind transfer (REFER) of the current call."""
        self.command("transfer", uri)

    def digits(self, digits: str) -> None:
        """RFC 4733 digits into the current call."""
        for digit in digits:
            self.command("sndcode", digit)

    def recording(self, index: int = -1) -> Path:
        """What was heard in a call (the newest by default)."""
        found = sorted(self.folder.glob("dump-*-dec.wav"), key=lambda path: path.stat().st_mtime)
        assert found, f"baresip recorded nothing\n{self.program.tail()}"
        return found[index]

    def kill(self) -> None:
        """The phone's power goes."""
        self.program.kill()

    def close(self) -> None:
        # Closed in order so that it takes leave of the registrar; killed only when it hangs.
        self.program.stop(3.0)
        self._socket.close()
        self._reader.join(2.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
