"""The Debian package: what is in it, that the box runs from it behind the unit's own walls, and what installing, removing and purging do."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from appliance.sip.native.build import default_cache
from tests.support.proc import Program

ROOT = Path(__file__).resolve().parents[3]
UNIT = ROOT / "image/systemd/holdfast.service"
PYTHON = Path("/usr/bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
UID = 4321  # nobody's

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not any(default_cache().glob("pjproject-*/VERSION")), reason="the native build is not in the cache"),
    pytest.mark.skipif(not PYTHON.exists(), reason=f"{PYTHON}, which the package would need, is missing"),
    pytest.mark.skipif(shutil.which("dpkg-shlibdeps") is None, reason="dpkg-shlibdeps is missing (Debian package dpkg-dev)"),
]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces and other users need root")


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, timeout=100, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def deb(tmp_path_factory):
    folder = tmp_path_factory.mktemp("deb")
    said = run(sys.executable, ROOT / "image/deb/build.py", "--out", folder)
    (found,) = folder.glob("*.deb")
    assert str(found) in said
    return found


@pytest.fixture(scope="module")
def tree(deb):
    """The package unpacked where every user may look."""
    folder = Path(tempfile.mkdtemp(prefix="hf-deb-"))
    run("dpkg-deb", "--extract", deb, folder)
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_what_is_in_it(deb, tree):
    fields = dict(line.split(": ", 1) for line in run("dpkg-deb", "--field", deb).splitlines() if not line.startswith(" "))
    assert fields["Architecture"] == run("dpkg", "--print-architecture").strip()
    depends = {word.split()[0] for word in fields["Depends"].split(", ")}
    assert {PYTHON.name, "libssl3", "libopus0", "sox", "espeak-ng", "adduser"} <= depends
    assert not depends & {"build-essential", "swig", "libssl-dev"}
    listed = run("dpkg-deb", "--contents", deb).splitlines()
    assert {line.split()[1] for line in listed} == {"root/root"}
    assert (tree / "usr/lib/systemd/system/holdfast.service").read_text() == UNIT.read_text()
    site = tree / f"usr/lib/holdfast/lib/{PYTHON.name}/site-packages"
    there = {path.name for path in site.iterdir()}
    assert {"appliance", "webui", "provisioning", "board_configs", "flask", "pydantic_core"} <= there
    assert not there & {"pytest", "playwright", "tests", "numpy"}
    assert not list(tree.rglob("*.pyc")) and (site / "board_configs/generic-amd64.toml").is_file()
    for name in run("git", "-c", f"safe.directory={ROOT}", "ls-files", "appliance", "webui", "provisioning", cwd=ROOT).split():
        assert (site / name).is_file() or not (ROOT / name).is_file(), name


def test_its_scripts_are_right(deb, tmp_path):
    run("dpkg-deb", "--control", deb, tmp_path / "control")
    for name in ("postinst", "prerm", "postrm"):
        run("sh", "-n", tmp_path / "control" / name)
        assert os.access(tmp_path / "control" / name, os.X_OK)
    assert (tmp_path / "control/conffiles").read_text() == "/etc/default/holdfast\n"


def test_the_command_starts_from_it_without_this_checkout(tree):
    home = tree / "usr/lib/holdfast"
    clean = {"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/nowhere"}
    assert re.fullmatch(r"Holdfast \d\S+\n", run(home / "bin/python3", "-I", home / "bin/holdfast", "--version", cwd="/", env=clean))
    assert (tree / "usr/bin/holdfast").resolve() == home / "bin/holdfast"
    modules = "import sys, pjsua2, _holdfast_shim, appliance, flask; print(*{m.__file__ for m in (pjsua2, _holdfast_shim, appliance, flask)}, sep='\\n')"
    assert all(Path(line).is_relative_to(tree) for line in run(home / "bin/python3", "-I", "-c", modules, cwd="/", env=clean).splitlines())


@as_root
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is missing (Debian package systemd)")
def test_the_box_runs_from_it_as_the_unit_confines_it(tree):
    """An ordinary user, one capability, the unit's system calls, no memory writable and executable: TFTP has its port, commands and workers work."""
    home = tree / "usr/lib/holdfast"
    with tempfile.TemporaryDirectory(prefix="hf-") as name:
        os.chown(name, UID, UID)
        clean = ("env", "-i", "PATH=/usr/bin:/bin", f"HOLDFAST_DATA={name}/data", "PYTHONDONTWRITEBYTECODE=1")
        jail = [*clean, PYTHON, "-I", ROOT / "tests/support/jail.py", UNIT, UID, UID, home / "bin/python3"]
        program = Program(["unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$@"', "sh", *jail, "-I", "-m", "appliance.app.supervisor"])
        try:
            program.wait_for_line(r"claim code +\S+ makes you", 60)
            supervisor = psutil.Process(int(Path(name, "data/lock").read_text()))
            inside = ["nsenter", "-t", supervisor.pid, "-n"]
            sockets = run(*inside, "ss", "-Hlun")
            assert "127.0.0.1:69 " in sockets and "127.0.0.1:5060 " in sockets
            held = {}
            for child in supervisor.children():
                status = Path(f"/proc/{child.pid}/status").read_text()
                assert child.uids().effective == UID and "NoNewPrivs:\t1" in status and "Seccomp:\t2" in status
                held[child.cmdline()[-1]] = int(re.search(r"CapEff:\t(\w+)", status)[1], 16)
            assert held == {"appliance": 0x400, **{f"appliance.app.{each}": 0 for each in ("web", "provisioning", "provisioning_http")}}

            def holdfast(*words):
                return run(*inside, *jail, "-I", home / "bin/holdfast", *words, cwd="/")

            assert json.loads(holdfast("system", "--json"))["board_file"]["id"]
            holdfast("audio", "speak", "hello", "Good morning")  # espeak-ng and sox, by a worker
            assert "Revision 2 is in force" in holdfast("site", "commit", "-m", "first")
            engine = next(child for child in supervisor.children() if child.cmdline()[-1] == "appliance")
            engine.kill()
            program.wait_for_line("engine is back", 20)
            supervisor.terminate()
            assert program.wait(15) == 0
        finally:
            program.kill()


# The machine's own system with a throw-away layer above it: the package is installed, removed and purged there by dpkg itself.
STEPS = """
set -e
layer=$(mktemp -d /tmp/hf-layer-XXXX)
mount -t tmpfs none $layer; mkdir $layer/upper $layer/work $layer/root
mount -t overlay overlay -o lowerdir=/,upperdir=$layer/upper,workdir=$layer/work $layer/root
mount -t proc proc $layer/root/proc; mount --bind /dev $layer/root/dev
rm -rf $layer/root/run/systemd/system
cp "$1" $layer/root/holdfast.deb
chroot $layer/root sh -ec '
    dpkg --force-depends -i /holdfast.deb
    echo "user $(id -nu holdfast) $(id -ng holdfast); data $(stat -c "%U %G %a" /var/lib/holdfast)"
    echo "wanted $(readlink /etc/systemd/system/multi-user.target.wants/holdfast.service)"
    holdfast --version
    echo kept >/var/lib/holdfast/kept; echo HOLDFAST_LOG=debug >>/etc/default/holdfast
    dpkg --force-depends -i /holdfast.deb
    dpkg -r holdfast
    echo "removed: $(cat /var/lib/holdfast/kept) $(tail -n 1 /etc/default/holdfast) $(ls -d /usr/lib/holdfast 2>&1)"
    dpkg -P holdfast
    echo "purged: $(ls -d /var/lib/holdfast /etc/default/holdfast 2>&1 | grep -c "No such file") $(id holdfast 2>&1) $(find /etc/systemd -name "holdfast*")."
'
"""


@as_root
def test_installing_removing_and_purging(deb):
    said = run("unshare", "--mount", "--pid", "--fork", "sh", "-c", STEPS, "sh", deb)
    assert re.search(r"^user holdfast holdfast; data holdfast holdfast 750\nwanted \S*/systemd/system/holdfast.service$", said, re.MULTILINE), said
    assert re.search(r"^Holdfast \d", said, re.MULTILINE)
    assert re.search(r"^removed: kept HOLDFAST_LOG=debug ls: cannot access '/usr/lib/holdfast'", said, re.MULTILINE), said
    assert re.search(r"^purged: 2 id: .holdfast.: no such user \.$", said, re.MULTILINE), said
