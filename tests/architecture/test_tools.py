"""The house's tools pass over the whole checkout: ruff, mypy, import-linter, and a shell's own syntax check."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "command",
    [
        [sys.executable, "-m", "ruff", "check", "--output-format=concise", "."],
        [sys.executable, "-m", "mypy", "--strict"],
        [str(BIN / "lint-imports")],
        ["bash", "-n", "image/bootstrap.sh"],
        ["bash", "-n", ".ci/run"],
    ],
    ids=["ruff", "mypy", "lint-imports", "bootstrap", "ci"],
)
def test_passes(command):
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
