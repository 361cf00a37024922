"""The machine under a real box becomes hot, weakly supplied and full: log, status, command, and one mail for each, through an outage and a kill."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from appliance.health.limits import MB, TEMPERATURE_C
from tests.support.box import ROOT, Box
from tests.support.disks import tmpfs
from tests.support.ports import free_port
from tests.support.proc import Program, wait_until
from tests.support.receivers import Hook, MailServer
from tests.support.sensors import PiSensors
from tests.support.sites import make_site

TO = "dana@example.org"
MATTERS = {"temperature", "power", "disk"}


def test_a_hot_weak_and_full_machine_is_told_once(box: Callable[..., Box], tmp_path: Path, opened: contextlib.ExitStack) -> None:
    mail, hook = MailServer(tmp_path, free_port("127.0.0.1")), Hook(free_port("127.0.0.1"))
    opened.callback(mail.stop)
    opened.callback(hook.stop)
    site = make_site(1)
    site["alerts"] = {
        "kinds": ["machine"], "least": "bad", "repeat_minutes": 0,
        "mail": {"host": "127.0.0.1", "port": mail.port, "sender": "box@example.org", "to": [TO], "username": "box", "password": "good password"},
        "webhook": {"url": f"http://127.0.0.1:{hook.port}/box"},
    }  # fmt: skip
    pi = PiSensors(tmp_path / "sys")
    home = box(site, env={"SSL_CERT_FILE": str(mail.trust), "HOLDFAST_SYSFS": str(pi.root)}, start=False)
    opened.enter_context(tmpfs(home.data, 2000 * int(MB)))
    opened.callback(home.close)
    home.start()

    def checks() -> dict[str, dict[str, Any]]:
        return {check["name"]: check for check in home.rpc("health")["checks"]}

    before = wait_until(checks, 30.0, "the first look")
    assert {before[name]["level"] for name in MATTERS} == {"ok"}

    # Nobody takes mail or webhooks while it happens.
    pi.heat(TEMPERATURE_C.bad + 1)
    pi.supply(low=True)
    _resize(home.data, 64 * int(MB))
    wait_until(lambda: {checks()[name]["level"] for name in MATTERS} == {"bad"}, 30.0, "three matters")
    found = checks()
    assert found["temperature"]["sentence"] == "The processor is at 83 °C"
    assert found["power"]["sentence"] == "The power supply gave the board too little voltage within the last 10 minutes"
    assert re.fullmatch(r"\d+ MB of 64 MB are free for the box's data", found["disk"]["sentence"])
    assert all(found[name]["cure"] for name in MATTERS)
    wait_until(lambda: _waiting(home) >= len(MATTERS), 30.0, "alerts that wait")
    for name in MATTERS:
        assert home.said(f"health: {re.escape(found[name]['sentence'])}"), name
    assert {problem["name"] for problem in home.status()["health"]["problems"]} >= MATTERS
    with Program([sys.executable, "-m", "appliance.cli.main", "health"], env=home.env, cwd=ROOT) as command:
        assert command.wait(20.0) == 1
        assert "BAD   The processor is at 83 °C" in command.lines

    # The box is killed, comes back as hot as before, and then the receivers do.
    home.kill9()
    home.start()
    wait_until(lambda: "power" in checks() and checks()["power"]["level"] == "bad", 30.0, "the look after the kill")
    mail.start()
    hook.start()
    wait_until(lambda: home.rpc("alerts")["waiting"] == 0, 60.0, "everything delivered")

    # On the edge nothing is told; when it is well, the end is told once.
    pi.heat(TEMPERATURE_C.bad - TEMPERATURE_C.slack + 1)
    wait_until(lambda: checks()["temperature"]["sentence"] == "The processor is at 78 °C", 30.0, "less heat")
    assert checks()["temperature"]["level"] == "bad"
    pi.heat(50.0)
    _resize(home.data, 2000 * int(MB))
    wait_until(lambda: {checks()[name]["level"] for name in ("temperature", "disk")} == {"ok"}, 30.0, "a machine that is well")
    wait_until(lambda: _hooked(hook)["over", "temperature"] and _hooked(hook)["over", "disk"] and home.rpc("alerts")["waiting"] == 0, 30.0, "word of the end")
    expected = Counter({("begun", name): 1 for name in MATTERS} | {("over", "temperature"): 1, ("over", "disk"): 1})
    assert _hooked(hook) == expected
    texts = "\n".join(str(message.get_content()) for message in mail.messages)
    assert {message["To"] for message in mail.messages} == {TO}
    assert len(mail.messages) == len({message["Message-ID"] for message in mail.messages}) == len(hook.taken)
    for words in ("The processor is at 83 °C", "gave the board too little voltage", "of 64 MB are free", "Over: The processor is at 50 °C"):
        assert texts.count(words) == 1, texts


def _waiting(home: Box) -> int:
    """Matters in the mail that waits; a subject names one and counts the others."""
    rows = [row for row in home.rpc("alerts.outbox", limit=50)["items"] if row["how"] == "mail" and row["state"] == "waiting"]
    return sum(1 + int(more[1]) if (more := re.search(r"\(and (\d+) more\)", row["subject"])) else 1 for row in rows)


def _hooked(hook: Hook) -> Counter[tuple[str, str]]:
    """(state, matter) of what the webhook took, of those the test made."""
    bodies = [json.loads(body) for _, body in hook.taken]
    return Counter((body["state"], name) for body in bodies for m in body["matters"] if (name := m["key"].removeprefix("health:")) in MATTERS)


def _resize(folder: Path, size: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)
