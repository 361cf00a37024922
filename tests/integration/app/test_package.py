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
from tests.support.netd import Connection
from tests.support.proc import Program, wait_until

ROOT = Path(__file__).resolve().parents[3]
UNIT = ROOT / "image/systemd/holdfast.service"
NETD_UNIT = ROOT / "image/systemd/holdfast-netd.service"
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
    assert {PYTHON.name, "libssl3", "libopus0", "sox", "espeak-ng", "nftables", "adduser"} <= depends
    assert not depends & {"build-essential", "swig", "libssl-dev"}
    listed = run("dpkg-deb", "--contents", deb).splitlines()
    assert {line.split()[1] for line in listed} == {"root/root"}
    for unit in (UNIT, NETD_UNIT):
        assert (tree / "usr/lib/systemd/system" / unit.name).read_text() == unit.read_text()
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
    """An ordinary user, one capability, the units' system calls, no memory writable and executable: TFTP has its port, commands and workers work, and
    the one process that may changes the network."""
    home = tree / "usr/lib/holdfast"
    with tempfile.TemporaryDirectory(prefix="hf-") as name:
        os.chown(name, UID, UID)
        socket = Path(name, "netd.sock")
        clean = ("env", "-i", "PATH=/usr/sbin:/usr/bin:/bin", f"HOLDFAST_DATA={name}/data", f"HOLDFAST_NETD={socket}", "PYTHONDONTWRITEBYTECODE=1")
        jail, netd_jail = ([*clean, PYTHON, "-I", ROOT / "tests/support/jail.py", unit, UID, UID, home / "bin/python3"] for unit in (UNIT, NETD_UNIT))
        wired = "ip link set lo up && ip link add wan type veth peer far && ip link set far up && ip link set wan up && ip addr add 192.168.78.2/24 dev wan"
        wired += " && ip route add default via 192.168.78.1"
        program = Program(["unshare", "-n", "sh", "-c", f'{wired} && exec "$@"', "sh", *jail, "-I", "-m", "appliance.app.supervisor"])
        netd: Program | None = None
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

            netd = Program([str(word) for word in (*inside, *netd_jail, "-I", "-m", "appliance.app.netd")])
            wait_until(socket.exists, 20, "netd's socket")
            line = Connection(socket)
            assert line.ok("netd.about")["unable"] == ""
            assert line.ok("drill.cut", seconds=5)["interfaces"] == ["wan"]
            line.close()
            status = Path(f"/proc/{next(iter(psutil.Process(netd.process.pid).children(recursive=True)), netd.process).pid}/status").read_text()
            assert re.search(r"CapEff:\t(\w+)", status)[1] == f"{1 << 12:016x}"
            supervisor.terminate()
            assert program.wait(15) == 0
        finally:
            program.kill()
            if netd is not None:
                netd.kill()


# The machine's own system with a throw-away layer above it, and a systemd of its own as its first process: $1 the package, $2 a folder to write to.
BOOT = """
set -e
mount --make-rprivate /
layer=/run/hf-layer; mount -t tmpfs run /run; mkdir $layer; mount -t tmpfs none $layer; mkdir $layer/upper $layer/work $layer/root; root=$layer/root
mount -t overlay overlay -o lowerdir=/,upperdir=$layer/upper,workdir=$layer/work $root
rm -rf $root/etc/systemd/system/* $root/usr/sbin/policy-rc.d
mount -t proc proc $root/proc; mount --bind $root/proc/sys $root/proc/sys; mount -o remount,bind,ro $root/proc/sys
mount -t sysfs -o ro sys $root/sys; mount -t cgroup2 cgroup $root/sys/fs/cgroup
for folder in run tmp dev; do mount -t tmpfs $folder $root/$folder; done
for device in null zero full random urandom tty; do touch $root/dev/$device; mount --bind /dev/$device $root/dev/$device; done
ln -s /proc/self/fd $root/dev/fd
mkdir $root/dev/shm $root/run/lock
mount --bind "$2" $root/mnt; cp "$1" $root/holdfast.deb; cp "$2/steps" $root/steps
ip link set lo up; ip addr add 192.168.77.1/24 dev lo
cd $root/etc/systemd/system
for unit in systemd-udevd systemd-sysctl systemd-modules-load systemd-random-seed systemd-timesyncd; do ln -s /dev/null $unit.service; done
cat >try.target <<END
[Unit]
Requires=basic.target dbus.service try.service
END
cat >try.service <<END
[Unit]
After=basic.target dbus.service
[Service]
Type=oneshot
ExecStart=/bin/sh -x /steps
StandardOutput=file:/mnt/said
StandardError=file:/mnt/said
END
exec env -i container=lxc PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot $root /lib/systemd/systemd --unit=try.target --show-status=no
"""
STEPS = """
dpkg --force-depends -i /holdfast.deb
echo "user $(id -nu holdfast) $(id -ng holdfast), data $(stat -c "%U %G %a" /var/lib/holdfast)"
echo "it is $(systemctl is-enabled holdfast) and $(systemctl is-active holdfast)"
systemctl show holdfast --property=StatusText --property=NRestarts
echo "netd is $(systemctl is-enabled holdfast-netd) and $(systemctl is-active holdfast-netd), $(stat -c "%U %a" /run/holdfast) $(ls /run/holdfast)"
holdfast status --json >/mnt/status
ss -Hlun
echo kept >/var/lib/holdfast/kept; echo HOLDFAST_LOG=debug >>/etc/default/holdfast
journalctl --no-pager --unit=holdfast --unit=holdfast-netd
dpkg -r holdfast
echo "removed: $(cat /var/lib/holdfast/kept) $(tail -n 1 /etc/default/holdfast) $(ls -d /usr/lib/holdfast 2>&1)" $(systemctl is-active holdfast holdfast-netd)
dpkg -P holdfast
echo "purged: $(ls -d /var/lib/holdfast /etc/default/holdfast 2>&1 | grep -c "No such file") $(id holdfast 2>&1) $(find /etc/systemd -name "holdfast*")."
"""


@pytest.fixture
def group():
    """A control group of our own, below which a systemd may do as it likes."""
    tops = [each.mountpoint for each in psutil.disk_partitions(all=True) if each.fstype == "cgroup2"]
    made = Path(tops[0] if tops else "/none", f"hf-{os.getpid()}")
    try:
        made.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made: {error.strerror}")
    yield made
    for folder in sorted((path for path in (made, *made.rglob("*")) if path.is_dir()), reverse=True):
        wait_until(lambda folder=folder: not (folder / "cgroup.procs").read_text(), 20, f"the end of all in {folder}")
        folder.rmdir()


@as_root
@pytest.mark.skipif(not Path("/lib/systemd/systemd").exists(), reason="systemd is missing (Debian package systemd)")
@pytest.mark.skipif(shutil.which("dbus-daemon") is None, reason="dbus-daemon is missing (Debian package dbus)")
def test_installing_starts_the_box_removing_keeps_and_purging_deletes_the_data(deb, group, tmp_path):
    (tmp_path / "steps").write_text(STEPS)
    spaces = ["unshare", "--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup", "--fork", "--kill-child"]
    enter = 'echo $$ >"$0/cgroup.procs"; exec "$@"'
    system = Program(["sh", "-c", enter, str(group), *spaces, "sh", "-c", BOOT, "sh", str(deb), str(tmp_path)])
    try:
        said = wait_until(lambda: (tmp_path / "said").exists() and "\npurged:" in (text := (tmp_path / "said").read_text()) and text, 70, "the last step")
    finally:
        system.kill()
        print(*system.lines, *(path.read_text() for path in tmp_path.glob("said")), sep="\n")
    assert "user holdfast holdfast, data holdfast holdfast 750\n" in said and "it is enabled and active\n" in said
    assert "Open https://192.168.77.1:8080/ in a browser" in said and re.search(r"Type the claim code [A-Z2-9]{4}-[A-Z2-9]{4},", said)
    assert "StatusText=engine runs, web runs, provisioning runs, provisioning-http runs\n" in said and "NRestarts=0\n" in said
    assert "netd is enabled and active, holdfast 700 netd.sock\n" in said
    assert json.loads((tmp_path / "status").read_text())["mode"] == "normal"
    assert " 192.168.77.1:69 " in said and " 192.168.77.1:5060 " in said
    assert "removed: kept HOLDFAST_LOG=debug ls: cannot access '/usr/lib/holdfast': No such file or directory inactive inactive\n" in said
    assert re.search(r"^purged: 2 id: .holdfast.: no such user \.$", said, re.MULTILINE)
