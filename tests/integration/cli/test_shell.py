"""Holdfast's own shell on a real terminal: prompt, history, completion, one command by -c, and no way out to another program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.terminal import Terminal

HOLDFAST = str(Path(sys.executable).with_name("holdfast"))
Open = Callable[..., Terminal]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def environment(home: Path, **more: str) -> dict[str, str]:
    """What sshd gives a session."""
    return {"HOME": str(home), "PATH": "/usr/bin:/bin", "SHELL": HOLDFAST, "LANG": "C.UTF-8", "HOLDFAST_DATA": str(home / "data"), "USER": "engineer", **more}


@pytest.fixture
def login(home: Path) -> Iterator[Open]:
    """A session as sshd opens it: the account's shell, its name with a hyphen."""
    open_ones: list[Terminal] = []

    def start(*words: str, name: str = "-holdfast", **more: str) -> Terminal:
        open_ones.append(Terminal(HOLDFAST, [name, *words], environment(home, **more)))
        return open_ones[-1]

    yield start
    for one in open_ones:
        one.close()


def test_a_login_gets_a_prompt_runs_commands_and_leaves(login: Open) -> None:
    shell = login()
    shell.wait_for(r"`help` lists the commands")
    shell.wait_for(r"^holdfast> ")
    shell.type("status\r")
    shell.wait_for(r"No box answers at")
    shell.type("holdfast status --json\r")
    shell.wait_for(r'"code": "not-running"')
    shell.type("help\r")
    shell.wait_for(r"^  site  ")
    shell.type("site ?\r")
    shell.wait_for(r"^  rollback  ")
    shell.type("?\r")
    shell.wait_for(r"^  trace  ")
    shell.type("nonsense\r")
    shell.wait_for(r"No such command 'nonsense'")
    shell.type('site show "x\r')
    shell.wait_for(r"A quote is not closed")
    shell.type("exit\r")
    assert shell.wait_end() == 2, "the code of the last command, as shells do it"


def interrupt(shell: Terminal) -> None:
    """Ctrl-C until there is a new prompt: readline misses the one that comes between its prompt and its waiting, and a person presses again."""
    for patience_s in (2.0, 2.0, 15.0):
        shell.type("\x03")
        try:
            shell.wait_for(r"^holdfast> ", patience_s)
            return
        except AssertionError:
            if patience_s > 2:
                raise


def test_ctrl_c_ends_the_line_and_not_the_shell_ctrl_d_ends_it(login: Open) -> None:
    shell = login()
    shell.wait_for(r"^holdfast> ")
    shell.type("sta")
    shell.wait_for(r"sta")
    interrupt(shell)
    interrupt(shell)
    shell.type("shell\r")
    shell.wait_for(r"`help` lists the commands")
    shell.wait_for(r"^holdfast> ")
    shell.type("exit\r")
    shell.wait_for(r"^holdfast> ")
    shell.type("\x04")
    assert shell.wait_end() == 0


def test_ctrl_c_ends_a_command_that_runs(login: Open, home: Path) -> None:
    shell = login()
    shell.wait_for(r"^holdfast> ")
    shell.type("secret set devices.x.secret\r")  # asks, and waits for an answer
    shell.wait_for(r"secret.*: ?$|[Nn]o ")
    interrupt(shell)
    shell.type("status\r")
    shell.wait_for(r"No box answers at")


def test_the_keys_of_job_control_do_nothing(login: Open) -> None:
    shell = login()
    shell.wait_for(r"^holdfast> ")
    shell.type("\x1a\x1c")
    shell.type("status\r")
    shell.wait_for(r"No box answers at")
    assert shell.running


def test_tab_completes_commands_and_history_comes_back_without_secrets(login: Open, home: Path) -> None:
    shell = login()
    shell.wait_for(r"^holdfast> ")
    shell.type("regis\t\r")
    shell.wait_for(r"registrations ")
    shell.wait_for(r"No box answers at")
    shell.wait_for(r"^holdfast> ")
    shell.type("site set devices.a.secret hush-hush-hush\r")
    shell.wait_for(r"^holdfast> ")
    shell.type("exit\r")
    shell.wait_end()
    kept = home / ".holdfast_history"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert "registrations" in kept.read_text()
    assert "hush" not in kept.read_text()
    again = login()
    again.wait_for(r"^holdfast> ")
    again.type("\x1b[A\x1b[A\r")  # the line before `exit`
    again.wait_for(r"registrations ")
    again.wait_for(r"No box answers at")


@pytest.mark.parametrize(
    "line",
    [
        "!id", "!sh", "bash", "/bin/sh", "sh -c id", "$(id)", "`id`", "status; id", "status | id", "status && id", "status > out", "shell -c id",
        "exec id", "python", "-c id", "site show users\nid",
    ],
)  # fmt: skip
def test_no_words_lead_to_another_program(line: str, home: Path) -> None:
    """One command as `ssh box 'words'` passes it on: whatever is in it, nothing but a command of ours is looked for."""
    marked = tmp_program(home)
    done = subprocess.run(
        [HOLDFAST, "-c", line], env=environment(home, PATH=f"{marked.parent}:/usr/bin:/bin"), cwd=home, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert "uid=" not in done.stdout + done.stderr
    assert not (home / "ran").exists()
    assert not (home / "out").exists()


def tmp_program(home: Path) -> Path:
    """`id` and `sh`, first in the path, that leave a mark when they run."""
    folder = home / "bin"
    folder.mkdir(exist_ok=True)
    for name in ("id", "sh", "bash", "python", "less", "more", "vi", "ed"):
        program = folder / name
        program.write_text(f"#!/bin/dash\necho {name} >> {home}/ran\n")
        program.chmod(0o755)
    return folder / "id"


def test_sftp_and_scp_get_nothing(home: Path) -> None:
    for line in ("/usr/lib/openssh/sftp-server", "scp -t /tmp", "rsync --server . /tmp", "internal-sftp"):
        done = subprocess.run([HOLDFAST, "-c", line], env=environment(home), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2, line
        assert "No such command" in done.stderr


def test_one_command_by_ssh(home: Path) -> None:
    done = subprocess.run([HOLDFAST, "-c", "status --json"], env=environment(home), capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, json.loads(done.stdout)["code"]) == (1, "not-running")
    more = subprocess.run([HOLDFAST, "-c", "status", "extra"], env=environment(home), capture_output=True, text=True, timeout=60, check=False)
    assert (more.returncode, "it takes -c COMMAND" in more.stderr) == (2, True)


def test_commands_come_from_a_pipe_as_well(home: Path) -> None:
    done = subprocess.run([HOLDFAST, "shell"], input="status\n\nexit\n", env=environment(home), capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("No box answers at")


def test_ordinary_users_of_a_shell_get_help_and_no_prompt(home: Path) -> None:
    done = subprocess.run([HOLDFAST], env=environment(home, SHELL="/bin/bash"), capture_output=True, text=True, timeout=60, check=False)
    assert "Usage: holdfast" in done.stdout + done.stderr


@pytest.mark.skipif(os.system("command -v bash >/dev/null") != 0, reason="bash is not installed")
def test_bash_completes(home: Path, tmp_path: Path) -> None:
    bash = Terminal("/bin/bash", ["bash", "--norc", "-i"], environment(home, PATH=f"{Path(HOLDFAST).parent}:/usr/bin:/bin", PS1="ready> ", SHELL="/bin/bash"))
    with bash:
        bash.wait_for(r"ready> ")
        bash.type("source <(holdfast completion bash); echo loaded-$?\r")
        bash.wait_for(r"loaded-0")
        bash.type("holdfast regi\t")
        bash.wait_for(r"holdfast registrations ")
