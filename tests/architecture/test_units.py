"""The systemd units: how much of the machine each is exposed to, by systemd's own judgement, and that systemd understands them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = sorted((Path(__file__).resolve().parents[2] / "image/systemd").glob("*.service"))
MOST = 2.0
"""With every protection a process without sound, ports below 1024 and devices gets 1.1, bare root 9.4. Ours has port 69, a modem's serial ports and netlink."""

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is missing (Debian package systemd)")


def analyze(*words):
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_is_hardened(unit):
    done = analyze("security", "--offline=true", "--no-pager", str(unit))
    level = re.search(r"Overall exposure level for .*: ([0-9.]+)", done.stdout)
    assert level, done.stderr
    assert float(level[1]) <= MOST, done.stdout


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_is_understood(unit):
    said = analyze("verify", "--man=no", str(unit)).stderr.splitlines()
    # What it starts is there once the package is installed.
    assert [line for line in said if unit.name in line and "is not executable" not in line] == []


def test_there_is_a_unit():
    assert UNITS
