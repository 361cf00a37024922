"""Starts the box's processes, keeps them alive, says where they can be reached and stops them (`python -m appliance.app.supervisor`).

A child that dies or falls silent is started again at once. Three crashes in 60 s start it in rescue: it then runs the last site revision that
ran well, with emergency and local calls only, until a new revision comes into force or the supervisor is started anew.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import logging
import math
import os
import random
import selectors
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from ipaddress import ip_address
from pathlib import Path
from types import FrameType
from typing import Any

from appliance.app import logs
from appliance.app.child import EXIT_AGAIN, EXIT_ALL_AGAIN, READY_FD, Reader, Ready, Refused, sentence_of
from appliance.app.pending import put_in_place, waits
from appliance.app.preflight import LOCK_FD, check_ports, claim_data_folder
from appliance.app.restarts import Policy, Restarts
from appliance.app.settings import Settings
from appliance.app.systemd import SOCKET, VARIABLES, Service
from appliance.errors import HoldfastError
from appliance.site.claim import claim_code

log = logging.getLogger("supervisor")

_PR_SET_PDEATHSIG = 1
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STOP_ALL_S, LEAST_S = 8.5, 0.5
"""Time from the signal to the last KILL, however many children there are; and what a child has even when that was spent on others that hung."""
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One process of the box. `essential`: the box does not run without it: its refusal ends the start, its crashes lead to rescue.

    Any other starts when the essential ones are ready, and is tried again for ever: calls go on without it.
    """

    name: str
    command: tuple[str, ...]
    policy: Policy = field(default_factory=Policy)
    essential: bool = True


LEAN = {"MALLOC_ARENA_MAX": "2"}
"""Environment of the children that saves memory: many threads that allocate little need no arena each (mallopt(3))."""
_SERVES_PHONES = Policy(crash_window_s=600.0, silence_limit_s=30.0, stop_limit_s=2.5, longest_delay_s=60.0)
CHILDREN = (
    ChildSpec("netd", (sys.executable, "-m", "appliance.app.netd"), Policy(crash_window_s=600.0, longest_delay_s=5.0), essential=False),
    ChildSpec("engine", (sys.executable, "-m", "appliance")),
    ChildSpec(
        "web",
        (sys.executable, "-m", "appliance.app.web"),
        Policy(crash_window_s=600.0, silence_limit_s=30.0, stop_limit_s=2.5, longest_delay_s=60.0),
        essential=False,
    ),
    ChildSpec("provisioning", (sys.executable, "-m", "appliance.app.provisioning"), _SERVES_PHONES, essential=False),
    ChildSpec("provisioning-http", (sys.executable, "-m", "appliance.app.provisioning_http"), _SERVES_PHONES, essential=False),
)
"""In starting order, the essential ones before all others; they are stopped in the opposite one: the firewall stays until nobody listens any more."""
PATIENCE_S = 20.0
"""Others start after so long even when an essential child is not ready: a browser may be what helps."""


@dataclass(slots=True)
class Child:
    """One entry of the table while the box runs. `process` is None between a death and the next start, which is due at `start_at`."""

    spec: ChildSpec
    restarts: Restarts
    process: subprocess.Popen[bytes] | None = None
    pidfd: int = -1
    pipe: int = -1
    reader: Reader = field(default_factory=Reader)
    ready: Ready | None = None
    refused: Refused | None = None
    complaint: str = ""
    """Why it refused to run the last time, as long as it has not run since."""
    was_ready: bool = False
    started: float = 0.0
    heard: float = 0.0
    died: float = 0.0
    start_at: float | None = 0.0
    last_end: str = ""

    @property
    def settled(self) -> bool:
        """Whether it is known if this child runs."""
        return self.was_ready or (not self.spec.essential and bool(self.last_end))

    def deadline(self) -> float | None:
        """When something must be done about this child if nothing happens before."""
        if self.process is None:
            return self.start_at
        policy = self.spec.policy
        return self.heard + policy.silence_limit_s if self.ready else self.started + policy.start_limit_s


class StateFile:
    """Written by a thread of its own, the latest content alone: a disk that hangs must not keep the supervisor from its children and its watchdog."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._text = ""
        self._news = threading.Condition()
        self._written = self._closing = False
        self._thread = threading.Thread(target=self._run, name="state file", daemon=True)
        self._thread.start()

    def put(self, text: str) -> None:
        with self._news:
            self._text, self._written = text, False
            self._news.notify()

    def close(self) -> None:
        """Wait for the last content, but not for a disk that hangs."""
        with self._news:
            self._closing = True
            self._news.notify()
        self._thread.join(1.0)

    def _run(self) -> None:
        partial = self._path.with_suffix(".part")
        while True:
            with self._news:
                self._news.wait_for(lambda: self._closing or (self._text and not self._written))
                text, due = self._text, not self._written
                self._written = True
                if self._closing and not (due and text):
                    return
            try:
                partial.write_text(text)
                partial.replace(self._path)
            except OSError as error:
                log.warning("%s could not be written: %s", self._path, error.strerror)


class Supervisor:
    """Runs `children` until a signal or a refusal; one thread, one selector."""

    def __init__(self, settings: Settings, children: Sequence[ChildSpec] = CHILDREN, keep_open: Sequence[int] = ()) -> None:
        """`keep_open`: descriptors every child holds, too (the data folder's lock: it is free only when the last process is gone)."""
        self._settings = settings
        self._state_file = StateFile(settings.run / "supervisor.json")
        self._children = [Child(spec, Restarts(spec.policy, rescue=settings.rescue)) for spec in children]
        self._keep_open = tuple(keep_open)
        self._service = Service(os.environ)
        self._selector = selectors.DefaultSelector()
        self._stop_signal = 0
        self._exit_code: int | None = None
        self._welcomed = False

    def run(self) -> int:
        """Blocks until everything has ended; returns the exit code: 0 after a signal, 1 when a child refused to start, EXIT_ALL_AGAIN to be started anew."""
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        old_wakeup = signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        old_handlers = {number: signal.signal(number, self._on_signal) for number in _STOPPING if signal.getsignal(number) is not signal.SIG_IGN}
        self._selector.register(wake_read, selectors.EVENT_READ, lambda: _drain(wake_read))
        # The engine has the machine to itself until it serves phones.
        for child in self._children:
            if not child.spec.essential:
                child.start_at = time.monotonic() + PATIENCE_S
        try:
            while self._exit_code is None and not self._stop_signal:
                self._service.beat(time.monotonic())
                self._look_after(time.monotonic())
                for key, _ in self._selector.select(self._patience(time.monotonic())):
                    key.data()
            return self._exit_code or 0
        finally:
            self._stop_all()
            signal.set_wakeup_fd(old_wakeup)
            for number, handler in old_handlers.items():
                signal.signal(number, handler)
            self._selector.close()
            os.close(wake_read)
            os.close(wake_write)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._stop_signal = number

    def _patience(self, now: float) -> float | None:
        deadlines = [deadline for child in self._children if (deadline := child.deadline()) is not None]
        first = min(deadlines, default=math.inf)
        return None if (wake := min(first, self._service.due_s)) == math.inf else max(0.0, wake - now)

    def _look_after(self, now: float) -> None:
        """Start what is due and kill what hangs."""
        for child in self._children:
            deadline = child.deadline()
            if deadline is None or now < deadline:
                continue
            if child.process is None:
                self._start(child)
                continue
            # A supervisor that was itself stopped for a while must not blame the child for what it has not read yet.
            self._listen(child)
            if now < (child.deadline() or now):
                continue
            why = "has given no sign of life" if child.ready else "has not become ready"
            log.error("%s %s for %.0f s: killing it", child.spec.name, why, now - (child.heard if child.ready else child.started))
            _kill_group(child.process.pid)
            child.start_at, child.heard, child.started = None, now, now  # its end arrives through the pidfd

    def _start(self, child: Child) -> None:
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(read_end, False)
        env = {name: value for name, value in os.environ.items() if name not in VARIABLES}
        env[READY_FD] = str(write_end)
        env = {**LEAN, **env}
        env["HOLDFAST_RESCUE"] = "1" if child.restarts.rescue and child.spec.essential else "0"
        env["HOLDFAST_CRASHES"] = str(child.restarts.total)
        try:
            process = subprocess.Popen(
                child.spec.command,
                stdin=subprocess.DEVNULL,
                env=env,
                pass_fds=(write_end, *self._keep_open),
                start_new_session=True,  # Ctrl-C reaches the supervisor alone, which then stops everything in order
                preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509  (the one other thread here only writes the log)
            )
        except OSError as error:
            os.close(read_end)
            log.error("%s could not be started: %s", child.spec.name, error)
            self._crashed(child, f"could not be started: {error.strerror}")
            return
        finally:
            os.close(write_end)
        child.process, child.pipe, child.pidfd = process, read_end, os.pidfd_open(process.pid)
        child.reader, child.ready, child.refused, child.start_at = Reader(), None, None, None
        child.started = child.heard = time.monotonic()
        self._selector.register(child.pipe, selectors.EVENT_READ, lambda: self._listen(child))
        self._selector.register(child.pidfd, selectors.EVENT_READ, lambda: self._bury(child))
        self._save()

    def _listen(self, child: Child) -> None:
        """Read what the child wrote. A closed pipe is not an end: only the pidfd tells that, and silence is noticed."""
        if child.pipe < 0:  # buried a moment ago, in the same round
            return
        try:
            data = os.read(child.pipe, 65536)
        except BlockingIOError:
            return
        if not data:
            self._selector.unregister(child.pipe)
            os.close(child.pipe)
            child.pipe = -1
            return
        child.heard = time.monotonic()
        for message in child.reader.feed(data):
            if isinstance(message, Ready):
                self._ready(child, message)
            else:
                child.refused = message

    def _ready(self, child: Child, message: Ready) -> None:
        first = not child.was_ready
        child.ready, child.was_ready, child.complaint = message, True, ""
        self._save()
        if first and child.last_end:
            log.warning("%s runs now", child.spec.name)
        if first and all(other.was_ready for other in self._children if other.spec.essential):
            for other in self._children:
                if not other.spec.essential and not other.last_end and other.process is None:
                    other.start_at = child.heard
        if not first:
            in_rescue = ", in rescue" if child.restarts.rescue and child.spec.essential else ""
            log.warning("%s is back, %.1f s after it ended%s", child.spec.name, child.heard - child.died, in_rescue)
        self._welcome()

    def _bury(self, child: Child) -> None:
        """The child is dead (and not reaped yet): read its last words, take its helpers with it, decide what follows."""
        if child.process is None:  # stopped a moment ago, in the same round
            return
        self._listen(child)
        ran = child.ready is not None
        code = self._reap(child)
        ended = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"left with exit code {code}"
        child.last_end, child.died = ended, time.monotonic()
        if code == EXIT_ALL_AGAIN and ran:
            log.warning("%s asked to have everything started afresh", child.spec.name)
            self._exit_code = EXIT_ALL_AGAIN
        elif code == EXIT_AGAIN and ran:  # one that never ran would ask for ever
            log.info("%s asked to be started afresh", child.spec.name)
            child.restarts.forget()
            child.start_at = child.died
            if waits(self._settings.data):
                self._replace_data()
        elif child.refused is not None and not child.was_ready and child.spec.essential:
            say(sentence_of(child.refused.sentence, child.refused.hint), sys.stderr)
            self._exit_code = 1
        else:
            if child.refused is not None:
                log.error("%s refused to start: %s (%s)", child.spec.name, child.refused.sentence, child.refused.hint)
                child.complaint = child.refused.sentence
            self._crashed(child, ended)
            self._welcome()
        self._save()

    def _replace_data(self) -> None:
        """A restore or a factory reset: whoever still runs knows what is no longer true, sign-ins included, and starts anew after it."""
        others = [child for child in self._children if child.process is not None]
        self._stop(others)
        put_in_place(self._settings.data)
        for child in others:
            child.start_at = time.monotonic()

    def _crashed(self, child: Child, ended: str) -> None:
        now = time.monotonic()
        child.last_end, child.died = ended, now
        restart = child.restarts.crashed(now, random.random())  # noqa: S311  (jitter)
        child.start_at = now + restart.delay_s
        later = f" in {restart.delay_s:.0f} s" if restart.delay_s >= 1.0 else ""
        log.error("%s %s (crash %d): starting it again%s", child.spec.name, ended, child.restarts.total, later)
        if restart.entered_rescue and child.spec.essential:
            policy = child.spec.policy
            log.critical(
                "%s crashed %d times in %.0f s: from now on it runs the last site revision that ran well, with emergency and local calls only. "
                "Load a corrected site file, or stop and start the box, to leave this state",
                child.spec.name,
                policy.crash_limit,
                policy.crash_window_s,
            )

    def _reap(self, child: Child) -> int:
        """Close what belongs to a dead child; returns its exit code (negative: the signal)."""
        assert child.process is not None
        # Before wait(): as long as it is a zombie its number cannot belong to anyone else.
        _kill_group(child.process.pid)
        code = child.process.wait()
        for descriptor in (child.pipe, child.pidfd):
            if descriptor >= 0:
                self._selector.unregister(descriptor)
                os.close(descriptor)
        child.process, child.pipe, child.pidfd, child.ready = None, -1, -1, None
        return code

    def _stop_all(self) -> None:
        if self._exit_code != EXIT_ALL_AGAIN:  # this process goes on then; systemd would end it for good
            self._service.stopping()
        if self._stop_signal:
            say("\nStopping.")
        self._stop(self._children)
        self._save()
        self._state_file.close()

    def _stop(self, children: Sequence[Child]) -> None:
        """Stop them in the opposite order of starting: TERM, and KILL for who needs longer than its limit."""
        last = time.monotonic() + STOP_ALL_S
        for child in reversed(children):
            child.start_at = None
            if child.process is None:
                continue
            child.process.send_signal(signal.SIGTERM)
            now = time.monotonic()
            deadline = max(now + LEAST_S, min(last, now + child.spec.policy.stop_limit_s))
            with selectors.DefaultSelector() as end:
                end.register(child.pidfd, selectors.EVENT_READ)
                while (left := deadline - time.monotonic()) > 0 and not end.select(left):
                    pass
                if not end.select(0):
                    log.warning("%s did not stop in time: killing it", child.spec.name)
            self._reap(child)

    def _save(self) -> None:
        """Write `run/supervisor.json` for people and for `holdfast status`; a full disk must not stop the supervisor."""
        state: dict[str, Any] = {"pid": os.getpid(), "children": {child.spec.name: _described(child) for child in self._children}}
        self._service.status(", ".join(f"{child.spec.name} {_word(child)}" for child in self._children))
        self._state_file.put(json.dumps(state, indent=1))

    def _welcome(self) -> None:
        """Once, as soon as it is known of every child whether it runs."""
        if self._welcomed or not all(child.settled for child in self._children):
            return
        self._welcomed = True
        self._service.ready()
        ready = [child.ready for child in self._children if child.ready]
        addresses = [address for each in ready for address in each.addresses]
        revision = max((each.revision for each in ready), default=0)
        web = next((child for child in self._children if child.spec.name == "web"), None)
        code = claim_code(self._settings.data) if web is not None else None
        say(welcome(self._settings, addresses, revision, os.environ, pages=_pages(web, self._settings), claim_code=code))


def _pages(web: Child | None, settings: Settings) -> list[str]:
    """Where to point a browser, one address a line; why there is nothing to see."""
    if web is None:
        return []
    if web.ready is None:
        return [f"not running: {web.complaint or f'it {web.last_end}'}. It is tried again; calls go on"]
    # The one that other machines reach first: a tablet is what most people open it with.
    outward = sorted(settings.bind, key=lambda ip: ip_address(ip).is_loopback)
    return [f"https://{f'[{ip}]' if ':' in ip else ip}:{settings.http_port}/" for ip in outward]


def welcome(
    settings: Settings, addresses: Sequence[str], revision: int, env: Mapping[str, str], *, pages: Sequence[str] = (), claim_code: str | None = None
) -> str:
    """What is printed when everything is up. `addresses` like `udp:192.168.1.5:5060`. `claim_code`: who has it may become the first administrator."""
    registrars: dict[str, list[str]] = {}
    for address in addresses:
        transport, _, host_port = address.partition(":")
        registrars.setdefault(host_port, []).append(transport.upper())
    named = [f"{name}={shlex.quote(env[name])}" for name in ("HOLDFAST_DATA", "HOLDFAST_CONTROL") if env.get(name)]
    command = " ".join([*named, _command("holdfast")])
    rows = [("register phones at", f"sip:{host_port} ({', '.join(kinds)})") for host_port, kinds in registrars.items()]
    rows += [("open in a browser", page) for page in pages]
    if claim_code:
        rows.append(("claim code", f"{claim_code} makes you the administrator"))
    rows += [("data folder", str(settings.data)), ("control socket", str(settings.control)), ("status", f"{command} status")]
    stop = "systemctl stop holdfast" if env.get(SOCKET) else f"Ctrl-C, or kill {os.getpid()}"
    rows += [("phone sign-in", f"{command} sign-in EXTENSION"), ("stop", stop)]
    lines = [f"Holdfast {version('holdfast')} is running" + (f" site revision {revision}" if revision else "") + ":"]
    shown = ""
    for title, text in rows:
        lines.append(f"  {title if title != shown else '':20s}{text}")
        shown = title
    lines += _first_steps(pages, claim_code) if claim_code else []
    if all(ip_address(ip).is_loopback for ip in settings.bind):
        lines += [
            "Only this machine can reach it: it serves no address of a network. For phones and other machines set HOLDFAST_BIND to one",
            "(`ip -brief address` lists them).",
        ]
    return "\n".join(lines)


def _first_steps(pages: Sequence[str], claim_code: str) -> list[str]:
    """What to do with a box nobody has set up."""
    page = next((page for page in pages if page.startswith("https:")), "")
    if not page:
        return []
    return [
        "This box is new. To set it up:",
        f"  1. Open {page} in a browser. It warns of the certificate, which is the box's own: go on.",
        f"  2. Type the claim code {claim_code}, and choose a name and a password. The pages lead on from there.",
    ]


def _command(name: str) -> str:
    """The program beside this interpreter: by its name alone where the shell finds it, else relative when that is shorter to type."""
    path = Path(sys.executable).parent / name
    found = shutil.which(name)
    if found and Path(found).resolve() == path:
        return name
    with contextlib.suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)


def _word(child: Child) -> str:
    """What it does, for `systemctl status`."""
    if child.ready is None:
        return "starts" if child.process else "is down"
    return "runs in RESCUE" if child.restarts.rescue and child.spec.essential else "runs"


def _described(child: Child) -> dict[str, Any]:
    return {
        "pid": child.process.pid if child.process else None,
        "ready": child.ready is not None,
        "rescue": child.restarts.rescue and child.spec.essential,
        "crashes": child.restarts.total,
        "last_end": child.last_end,
        "complaint": child.complaint,
    }


def _die_with(parent: int) -> Callable[[], None]:
    """Run in the child after fork: the kernel kills it when its parent goes, however that goes (prctl(2), PR_SET_PDEATHSIG)."""

    def prepare() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it went between fork and prctl
            os._exit(1)

    return prepare


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _drain(descriptor: int) -> None:
    with contextlib.suppress(BlockingIOError):
        os.read(descriptor, 4096)


def say(text: str, stream: Any = None) -> None:
    """Print to a person who may have closed the terminal."""
    with contextlib.suppress(OSError, ValueError):
        print(text, file=stream or sys.stdout, flush=True)


def main() -> int:
    """Read the settings, check the machine, run. Exit code 1 with one sentence and a hint when something is missing."""
    try:
        settings = Settings.from_env(os.environ)
        logs.set_up(settings.log, data=settings.data, process="supervisor")
        lock = claim_data_folder(settings.data)
        check_ports(settings)
        put_in_place(settings.data)
    except HoldfastError as error:
        say(sentence_of(error.sentence, error.hint), sys.stderr)
        return 1
    os.environ[LOCK_FD] = str(lock)
    children = [spec for spec in CHILDREN if spec.name != "netd" or settings.netd is None]
    code = Supervisor(settings, children, keep_open=(lock,)).run()
    if code == EXIT_ALL_AGAIN:
        logging.shutdown()
        # The same process, so that whoever waits for it goes on waiting; the lock is closed by this and taken anew.
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606
    return code


if __name__ == "__main__":
    raise SystemExit(main())
