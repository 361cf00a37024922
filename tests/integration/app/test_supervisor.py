"""The supervisor with real children: small programs that become ready, crash, hang or refuse when told to."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from appliance.app.restarts import Policy
from tests.support.ports import free_run
from tests.support.proc import Program, wait_until

# A child that tells its start (pid, rescue, crashes) in a file, then does what the file `order` says.
CHILD = """
import os, signal, socket, subprocess, sys, time
from pathlib import Path
from appliance.app.child import EXIT_AGAIN, ParentLink
from appliance.errors import SettingsError
from appliance.types import Address

folder = Path(os.environ["HOLDFAST_DATA"])
order = (folder / "order").read_text() if (folder / "order").exists() else "serve"
link = ParentLink.from_env(os.environ)
with (folder / "starts").open("a") as log:
    log.write(f"{os.getpid()} {os.environ['HOLDFAST_RESCUE']} {os.environ['HOLDFAST_CRASHES']}\\n")
if order == "refuse":
    raise SystemExit(link.refuse(SettingsError("The vault key does not fit", "restore it")))
if order == "crash":
    raise SystemExit(1)
if order == "never-ready":
    time.sleep(600)
if order == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if order == "helper":
    helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (folder / "helper").write_text(str(helper.pid))
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", int(os.environ["HOLDFAST_SIP_PORT"])))
port = sock.getsockname()[1]
link.ready([Address("127.0.0.1", port)], revision=3)
while not (folder / "hang").exists():
    link.beat()
    time.sleep(0.05)
    if (folder / "again").exists():
        (folder / "again").unlink()
        raise SystemExit(EXIT_AGAIN)
time.sleep(600)
"""

RUN = """
import sys
from appliance.app import supervisor
from appliance.app.restarts import Policy
policy = Policy(**{policy})
supervisor.CHILDREN = (supervisor.ChildSpec("engine", (sys.executable, "-c", {child!r}), policy),)
supervisor.Supervisor.__init__.__defaults__ = (supervisor.CHILDREN, ())
raise SystemExit(supervisor.main())
"""


class Box:
    """One supervised box in a folder of its own."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.port = free_run(2)
        self.env = {"HOLDFAST_DATA": str(data), "HOLDFAST_BIND": "127.0.0.1", "HOLDFAST_SIP_PORT": str(self.port), "HOLDFAST_SIP_TLS_PORT": str(self.port + 1)}
        self.programs: list[Program] = []

    def start(self, **policy: float) -> Program:
        defaults = {"start_limit_s": 60.0, "silence_limit_s": 30.0, "stop_limit_s": 7.0}
        code = RUN.format(policy={**defaults, **policy}, child=CHILD)
        program = Program([sys.executable, "-c", code], env=self.env)
        self.programs.append(program)
        return program

    def order(self, text: str) -> None:
        (self.data / "order").write_text(text)

    def starts(self) -> list[tuple[int, bool, int]]:
        """(pid, rescue, crashes) of every start of the child so far."""
        path = self.data / "starts"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(int(pid), rescue == "1", int(crashes)) for pid, rescue, crashes in (line.split() for line in lines)]

    def state(self) -> dict:
        return json.loads((self.data / "run" / "supervisor.json").read_text())["children"]["engine"]

    def ready_pid(self, starts: int) -> int:
        """Wait until the `starts`-th child is ready; its process id."""
        wait_until(lambda: len(self.starts()) >= starts and self.state()["ready"] and self.state()["pid"] == self.starts()[-1][0], 30.0, f"start {starts}")
        return self.starts()[-1][0]


@pytest.fixture
def box(tmp_path):
    made = Box(tmp_path)
    yield made
    for program in made.programs:
        program.stop()
    for pid, _, _ in made.starts():
        assert not alive(pid)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_when_all_is_up_it_says_where(box):
    program = box.start()
    program.wait_for_line(r"Holdfast \S+ is running site revision 3:", 30.0)
    text = ""
    registrar, socket_path = rf"register phones at +sip:127\.0\.0\.1:{box.port} \(UDP\)", rf"control socket +{box.data}/run/control\.sock"
    for wanted in (registrar, rf"data folder +{box.data}", socket_path, r"stop +Ctrl-C"):
        text += program.wait_for_line(wanted).string
    status = program.wait_for_line(r"status +HOLDFAST_DATA=\S+ \S*holdfast status").string
    assert str(box.data) in status
    assert "8080" not in text  # nothing is promised that does not run


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything(box, number):
    program = box.start()
    pid = box.ready_pid(1)
    os.kill(program.pid, number)
    assert program.wait(10.0) == 0
    assert not alive(pid)
    assert box.state()["pid"] is None


NAMED = """
import os, signal, sys
from pathlib import Path
from appliance.app.child import ParentLink

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
ParentLink.from_env(os.environ).ready(())
signal.sigwait([signal.SIGTERM])
with (Path(os.environ["HOLDFAST_DATA"]) / "ends").open("a") as log:
    log.write(f"{sys.argv[1]}\\n")
"""
REAL_ORDER = """
import sys
from dataclasses import replace
from appliance.app import supervisor
supervisor.CHILDREN = tuple(replace(spec, command=(sys.executable, "-c", {child!r}, spec.name)) for spec in supervisor.CHILDREN)
raise SystemExit(supervisor.main())
"""


def test_the_firewall_stays_until_nobody_listens_any_more(box):
    """The children of a real box, by name: netd starts with the others that are not essential and is stopped last."""
    program = Program([sys.executable, "-c", REAL_ORDER.format(child=NAMED)], env=box.env)
    box.programs.append(program)
    program.wait_for_line("is running")
    os.kill(program.pid, signal.SIGTERM)
    assert program.wait(20.0) == 0
    ends = (box.data / "ends").read_text().split()
    assert len(ends) == 5 and ends[-2:] == ["engine", "netd"]


def test_a_child_deaf_to_term_is_killed_within_ten_seconds(box):
    box.order("deaf")
    program = box.start()
    pid = box.ready_pid(1)
    started = time.monotonic()
    os.kill(program.pid, signal.SIGINT)
    assert program.wait(15.0) == 0
    assert time.monotonic() - started < 10.0
    assert not alive(pid)
    program.wait_for_line("did not stop in time")


def test_kill_9_brings_it_back_at_once(box):
    program = box.start()
    pid = box.ready_pid(1)
    started = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    second = box.ready_pid(2)
    assert time.monotonic() - started < 5.0
    assert second != pid
    assert box.starts()[1][1:] == (False, 1)
    assert box.state()["crashes"] == 1
    assert box.state()["last_end"] == "was killed by SIGKILL"
    program.wait_for_line(r"engine is back, \d\.\d s after it ended$")


def test_the_third_crash_in_a_minute_means_rescue_until_the_supervisor_is_started_anew(box):
    program = box.start()
    for starts in (1, 2, 3):
        os.kill(box.ready_pid(starts), signal.SIGKILL)
    box.ready_pid(4)
    assert [rest for _, *rest in box.starts()] == [[False, 0], [False, 1], [False, 2], [True, 3]]
    assert box.state()["rescue"]
    program.wait_for_line(r"crashed 3 times in 60 s: .* emergency and local calls only")
    program.wait_for_line(r"is back, .*, in rescue$")
    os.kill(box.starts()[-1][0], signal.SIGKILL)
    box.ready_pid(5)
    assert box.starts()[-1][1:] == (True, 4)
    program.stop()
    box.start()
    box.ready_pid(6)
    assert box.starts()[-1][1:] == (False, 0)


def test_a_crash_before_readiness_counts_and_it_keeps_trying(box):
    """Not a refusal: a bug met at start must lead to rescue, not to a dead box."""
    box.order("crash")
    program = box.start()
    wait_until(lambda: len(box.starts()) >= 5, 30.0, "five starts")
    assert [rescue for _, rescue, _ in box.starts()][:5] == [False, False, False, True, True]
    box.order("serve")
    program.wait_for_line("is running", 30.0)


def test_in_rescue_the_child_can_ask_for_an_ordinary_start(box):
    program = box.start()
    for starts in (1, 2, 3):
        os.kill(box.ready_pid(starts), signal.SIGKILL)
    box.ready_pid(4)
    (box.data / "again").touch()
    box.ready_pid(5)
    assert box.starts()[-1][1:] == (False, 3)
    assert not box.state()["rescue"]
    assert program.running


def test_a_refusal_at_start_ends_with_its_sentence(box):
    box.order("refuse")
    program = box.start()
    assert program.wait(30.0) == 1
    assert program.lines == ["holdfast: The vault key does not fit.", "  hint: restore it"]
    assert len(box.starts()) == 1


def test_a_refusal_after_it_once_ran_is_only_another_crash(box):
    program = box.start()
    pid = box.ready_pid(1)
    box.order("refuse")
    os.kill(pid, signal.SIGKILL)
    program.wait_for_line("engine refused to start: The vault key does not fit")
    box.order("serve")
    wait_until(lambda: box.state()["ready"], 30.0, "ready again")
    assert program.running


def test_a_silent_child_is_killed_and_started_again(box):
    program = box.start(silence_limit_s=1.0)
    pid = box.ready_pid(1)
    (box.data / "hang").touch()
    wait_until(lambda: not alive(pid), 10.0, "the end of the hung child")
    (box.data / "hang").unlink()
    program.wait_for_line("engine has given no sign of life for 1 s: killing it")
    box.ready_pid(2)
    assert box.state()["crashes"] >= 1


def test_a_child_that_never_gets_ready_is_started_again(box):
    box.order("never-ready")
    program = box.start(start_limit_s=1.0)
    program.wait_for_line("engine has not become ready for 1 s: killing it", 30.0)
    box.order("serve")
    program.wait_for_line("is running", 30.0)


def test_a_stopped_supervisor_does_not_blame_the_child(box):
    program = box.start(silence_limit_s=1.0)
    pid = box.ready_pid(1)
    os.kill(program.pid, signal.SIGSTOP)
    began = time.monotonic()
    # While it is stopped the child goes on: its heartbeats fill the pipe.
    wait_until(lambda: time.monotonic() - began > 2.0, 5.0)
    os.kill(program.pid, signal.SIGCONT)
    os.kill(pid, signal.SIGKILL)
    box.ready_pid(2)
    assert not any("no sign of life" in line for line in program.lines)


def test_what_a_dead_child_left_running_goes_with_it(box):
    box.order("helper")
    box.start()
    pid = box.ready_pid(1)
    helper = int((box.data / "helper").read_text())
    assert alive(helper)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not alive(helper), 5.0, "the helper's end")


def test_kill_9_of_the_supervisor_takes_the_children_and_a_new_one_can_start(box):
    program = box.start()
    pid = box.ready_pid(1)
    os.kill(program.pid, signal.SIGKILL)
    again = box.start()
    again.wait_for_line("is running", 30.0)
    assert not alive(pid)
    assert box.starts()[-1][1:] == (False, 0)


def test_two_boxes_run_side_by_side_but_never_on_one_folder(box, tmp_path):
    first = box.start()
    box.ready_pid(1)
    (tmp_path / "other").mkdir()
    other = Box(tmp_path / "other")
    second = other.start()
    try:
        other.ready_pid(1)
        thief = Program(second.argv, env={**other.env, "HOLDFAST_DATA": str(box.data)})
        assert thief.wait(20.0) == 1
        assert thief.lines == [
            f"holdfast: The data folder {box.data} is in use by another Holdfast (process {first.pid}).",
            "  hint: stop that one, or set HOLDFAST_DATA to another folder",
        ]
        assert first.running
        assert second.running
    finally:
        second.stop()


def test_a_port_in_use_is_one_sentence_and_exit_code_1(box):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", box.port))
        program = box.start()
        assert program.wait(20.0) == 1
    assert len(program.lines) == 2
    assert program.lines[0].startswith(f"holdfast: Port {box.port}/udp on 127.0.0.1 is already in use by ")
    assert program.lines[1].startswith("  hint: ")
    assert box.starts() == []


def test_a_full_disk_does_not_stop_the_supervisor(box):
    box.start()
    pid = box.ready_pid(1)
    (box.data / "run" / "supervisor.json").unlink()
    (box.data / "run" / "supervisor.part").mkdir()  # every write of its state fails from now on
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(box.starts()) >= 2, 10.0, "the second start")


def test_a_wrong_setting_is_one_sentence_and_exit_code_1():
    env = {**os.environ, "HOLDFAST_SIP_PORT": "sip"}
    done = subprocess.run([sys.executable, "-m", "appliance.app.supervisor"], check=False, env=env, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "holdfast: HOLDFAST_SIP_PORT is 'sip'.\n  hint: give a port from 1 to 65535; unset it is 5060\n"


def test_the_policy_of_the_engine_is_the_promised_one():
    assert Policy() == Policy(crash_limit=3, crash_window_s=60.0, start_limit_s=60.0, silence_limit_s=10.0, stop_limit_s=7.0)


def test_systemd_hears_that_it_is_ready_alive_and_stopping(box):
    with tempfile.TemporaryDirectory(prefix="hf-") as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(f"{folder}/notify")
        notify.settimeout(20)
        box.env |= {"NOTIFY_SOCKET": f"{folder}/notify", "WATCHDOG_USEC": "300000"}
        program = box.start()
        pid = box.ready_pid(1)
        heard = []

        def hear(word: str) -> None:
            while not heard or word not in heard[-1]:
                heard.append(notify.recv(4096).decode())

        hear("READY=1")
        assert "STATUS=engine runs" in heard and heard.index("STATUS=engine runs") < heard.index("READY=1")
        assert b"NOTIFY_SOCKET" not in Path(f"/proc/{pid}/environ").read_bytes()
        program.wait_for_line(r"stop +systemctl stop holdfast")
        hear("WATCHDOG=1")
        began = time.monotonic()
        for _ in range(10):
            heard.append("")
            hear("WATCHDOG=1")
        assert 0.5 < time.monotonic() - began < 3.0  # ten times a third of the limit, which must not be passed
        for starts in (1, 2, 3):
            os.kill(box.ready_pid(starts), signal.SIGKILL)
        hear("STATUS=engine runs in RESCUE")
        os.kill(program.pid, signal.SIGTERM)
        hear("STOPPING=1")


def test_a_supervisor_that_hangs_gives_systemd_no_sign_of_life(box):
    with tempfile.TemporaryDirectory(prefix="hf-") as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(f"{folder}/notify")
        box.env |= {"NOTIFY_SOCKET": f"{folder}/notify", "WATCHDOG_USEC": "300000"}
        program = box.start()
        box.ready_pid(1)
        os.kill(program.pid, signal.SIGSTOP)
        notify.settimeout(0.6)
        with pytest.raises(TimeoutError):
            for _ in range(10_000):  # what came before it was stopped
                notify.recv(4096)
        os.kill(program.pid, signal.SIGCONT)
        notify.settimeout(20)
        assert notify.recv(4096) == b"WATCHDOG=1"
