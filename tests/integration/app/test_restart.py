"""A fresh start that was asked for: of the engine, and of everything down to the supervisor, which keeps its process."""

import json

import pytest

from tests.support.box import Box
from tests.support.proc import wait_until
from tests.support.sites import make_site


@pytest.mark.timeout(120)
def test_engine_and_everything_start_afresh_on_demand(tmp_path):
    with Box(tmp_path, make_site(2), supervised=True) as box:
        written = box.data / "run" / "supervisor.json"
        first, supervisor = box.pid(), json.loads(written.read_text())["pid"]
        assert box.rpc("system")["supervised"] is True
        assert box.rpc("box.restart", reason="a test") == {"calls": 0}
        box.wait_back(other_than=first)
        second = box.pid()
        assert json.loads(written.read_text())["pid"] == supervisor
        box.rpc("box.restart", reason="a test", whole=True)
        box.wait_back(other_than=second)
        now = wait_until(lambda: (said := json.loads(written.read_text())) and said["children"]["engine"]["ready"] and said, 30, "the supervisor again")
        assert now["pid"] == supervisor, "whoever waits for it still does"
        assert now["children"]["engine"]["crashes"] == 0
        assert box.status()["mode"] == "normal"
        lines = [json.loads(line)["text"] for line in box.cli("logs", "--json", "--lines", "200").splitlines()]
        assert any("asked to have everything started afresh" in line for line in lines)
        names = {process["name"] for process in wait_until(lambda: box.rpc("health")["processes"], 20, "a look at the machine")}
        assert {"engine", "supervisor"} <= names
