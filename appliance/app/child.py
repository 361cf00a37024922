"""What a child process and the supervisor say to each other: readiness, heartbeat, refusal, exit codes."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from appliance.errors import HoldfastError
from appliance.types import Address

READY_FD = "HOLDFAST_READY_FD"
"""Environment variable: the descriptor of the pipe to the supervisor."""
HEARTBEAT_S = 1.0
"""How often a ready child beats."""
EXIT_REFUSED = 1
"""The child cannot run with these settings; restarting would change nothing."""
EXIT_AGAIN = 75
"""The child asks to be started afresh, with rescue and crash count cleared: a new site revision came into force (EX_TEMPFAIL of sysexits.h)."""
EXIT_ALL_AGAIN = 76
"""The child asks that all of the box's software is started afresh, the supervisor too: it was replaced, or somebody wants it."""

_BEAT = b"."
_LONGEST_LINE = 65536


class ParentLink:
    """The child's end. Without a supervisor (`READY_FD` unset) everything is accepted and goes nowhere. Never blocks, never raises."""

    def __init__(self, fd: int | None) -> None:
        self._fd = fd
        if fd is not None:
            os.set_inheritable(fd, False)
            os.set_blocking(fd, False)  # a stopped supervisor must not stop the child

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> ParentLink:
        try:
            return cls(int(env[READY_FD]))
        except (KeyError, ValueError, OSError):
            return cls(None)

    def ready(self, addresses: Iterable[Address], revision: int = 0) -> None:
        """SIP is up on `addresses`, running site revision `revision`. Call it once; from then on `beat` at least every HEARTBEAT_S."""
        self._write(b"READY " + json.dumps({"sip": [str(a) for a in addresses], "revision": revision}).encode() + b"\n")

    def beat(self) -> None:
        """One heartbeat; call it from what must not hang."""
        self._write(_BEAT)

    def refuse(self, error: HoldfastError) -> int:
        """Tell the supervisor (or, without one, stderr) why this child cannot run; returns the exit code to leave with."""
        if self._fd is not None:
            self._write(b"FAILED " + json.dumps(error.as_dict()).encode() + b"\n")
        else:
            print(sentence_of(error.sentence, error.hint), file=sys.stderr)
        return EXIT_REFUSED

    def _write(self, data: bytes) -> None:
        if self._fd is not None:
            with contextlib.suppress(OSError):  # full: the supervisor is stopped; broken: it is gone and so are we
                os.write(self._fd, data)


def sentence_of(sentence: str, hint: str) -> str:
    """How a person's error is printed."""
    return f"holdfast: {sentence}." + (f"\n  hint: {hint}" if hint else "")


@dataclass(frozen=True, slots=True)
class Ready:
    """`addresses` like `udp:192.168.1.5:5060`."""

    addresses: tuple[str, ...]
    revision: int


@dataclass(frozen=True, slots=True)
class Refused:
    sentence: str
    hint: str


@dataclass(slots=True)
class Reader:
    """The supervisor's end: bytes in, messages out. Heartbeats and anything it does not understand count only as life."""

    _buffer: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> list[Ready | Refused]:
        self._buffer += data
        found: list[Ready | Refused] = []
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end]).lstrip(_BEAT)
            del self._buffer[: end + 1]
            word, _, text = line.partition(b" ")
            body = _object(text)
            if word == b"READY":
                sip = body.get("sip")
                revision = body.get("revision")
                found.append(Ready(tuple(map(str, sip)) if isinstance(sip, list) else (), revision if isinstance(revision, int) else 0))
            elif word == b"FAILED":
                found.append(Refused(str(body.get("sentence", "It gave no reason")), str(body.get("hint", ""))))
        # Heartbeats come without a newline; they must not pile up.
        while self._buffer.startswith(_BEAT):
            del self._buffer[0]
        if len(self._buffer) > _LONGEST_LINE:
            self._buffer.clear()
        return found


def _object(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
