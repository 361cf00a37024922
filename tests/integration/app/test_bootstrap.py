"""The bootstrap behind `make`: a second start does nothing, and what is missing is said in one sentence."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
NOBODY = 65534


@pytest.mark.timeout(600)
def test_a_second_start_installs_and_builds_nothing():
    """The first one here is usually a second one, too: `make test` has run it."""
    for _ in range(2):
        command = ["image/bootstrap.sh", "test", "echo", "started"]
        done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines[:1]] == ["Debian packages"]
    assert lines[1:] == [lines[1], "started"]
    assert lines[1].startswith("pjproject 2.")


@pytest.fixture
def checkout():
    """A copy of what the bootstrap reads, which anyone may enter (pytest's own folders are closed to others)."""
    with tempfile.TemporaryDirectory(prefix="holdfast-bootstrap-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copytree(ROOT / "image", folder / "image")
        shutil.copy(ROOT / "pyproject.toml", folder)
        yield folder


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become nobody")
def test_without_the_right_to_install_one_sentence_says_what_to_do(checkout):
    with (checkout / "image" / "packages-run.txt").open("a") as listed:
        listed.write("holdfast-no-such-package\n")
    command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "image/bootstrap.sh", "run", "echo", "started"]
    done = subprocess.run(command, check=False, cwd=checkout, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 1
    assert "started" not in done.stdout
    said = [line for line in done.stderr.splitlines() if not line.startswith("sudo:")]
    assert len(said) == 2
    assert said[0].startswith("holdfast: Debian packages are missing and ")
    assert said[0].endswith("holdfast-no-such-package.")
    assert said[1] == "  hint: as root, run: apt-get install --no-install-recommends holdfast-no-such-package"


def test_a_python_that_is_none_is_refused(checkout):
    env = {**os.environ, "HOLDFAST_PYTHON": "/bin/false"}
    done = subprocess.run(["image/bootstrap.sh", "run", "true"], check=False, cwd=checkout, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 1
    assert done.stderr == "holdfast: HOLDFAST_PYTHON names /bin/false, which is not Python 3.11 or later with venv.\n  hint: name another, or unset it\n"


def test_an_unknown_purpose_is_refused():
    done = subprocess.run([ROOT / "image/bootstrap.sh", "dance"], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: ")
