"""holdfast logs: the log of a box that runs or not, narrowed, followed, harmless on a terminal."""

import json
import os
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from appliance.cli.main import main
from tests.support.box import ROOT
from tests.support.proc import wait_until


@pytest.fixture
def data(tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "engine.log").write_text("1.500000\tinfo\tcalls\tone\n3.000000\terror\tsip\tthree \x1b[31m\n")
    (tmp_path / "logs" / "web.log").write_text("2.000000\twarning\twebui\ttwo\n")
    return tmp_path


def run(data, *words):
    return CliRunner(env={"HOLDFAST_DATA": str(data), "HOLDFAST_CONTROL": "", "TZ": "UTC"}).invoke(main, ["logs", *words])


def test_lines_come_in_order_narrowed_as_asked(data):
    assert run(data).output.splitlines() == [
        "1970-01-01 00:00:01.500 info    engine calls: one",
        "1970-01-01 00:00:02.000 warning web webui: two",
        "1970-01-01 00:00:03.000 error   engine sip: three \\x1b[31m",
    ]
    assert run(data, "--level", "warning", "--lines", "1").output.count("\n") == 1
    assert "two" in run(data, "--process", "web").output
    assert run(data, "--search", "ONE").output.endswith("calls: one\n")
    found = [json.loads(line) for line in run(data, "--json", "--search", "two").output.splitlines()]
    assert found == [{"at_unix_s": 2.0, "process": "web", "level": "warning", "logger": "webui", "text": "two"}]


def test_a_process_that_is_not_there_is_named_with_those_that_are(data):
    result = run(data, "--process", "wbe")
    assert result.exit_code == 1
    assert "engine, web" in result.output
    assert run(data, "--level", "loud").exit_code == 2


def test_following_shows_what_comes_and_ends_quietly(data):
    env = {"PATH": os.environ["PATH"], "HOLDFAST_DATA": str(data), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "appliance.cli.main", "logs", "--follow", "--lines", "1"]
    out = data / "out"
    with out.open("wb") as into, subprocess.Popen(command, cwd=ROOT, env=env, stdout=into, stderr=subprocess.PIPE) as process:
        wait_until(lambda: "three" in out.read_text(), 20, "the last line")
        with (data / "logs" / "web.log").open("a") as log:
            log.write("4.000000\tdebug\twebui\tdetail\n5.000000\tinfo\twebui\tfive\n")
        wait_until(lambda: "five" in out.read_text(), 20, "the new line")
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20)[1] == b""
    assert process.returncode == 0
    assert [line.split(": ")[1] for line in out.read_text().splitlines()] == ["three \\x1b[31m", "five"]
