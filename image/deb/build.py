"""Builds the Debian package from this checkout, its .venv and the cached native build (`make deb`); nothing is fetched.

    python image/deb/build.py [--out FOLDER]

The package holds a Python environment of its own below /usr/lib/holdfast that uses the distribution's interpreter, so it fits the Debian release
and the architecture it was built on.
"""

from __future__ import annotations

import argparse
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import deque
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from appliance.sip.native import build as native

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
OWN = "holdfast"
PACKAGES = ("appliance", "webui", "provisioning", "board_configs")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
SCRIPTS = ("postinst", "prerm", "postrm")
UNITS = ("holdfast.service", "holdfast-netd.service")
NEEDED = ("adduser", "ca-certificates", "init-system-helpers", "tzdata")
"""Debian packages besides those of `packages-run.txt` and the libraries: a machine that only runs the box has not what building brings."""


class PackageError(Exception):
    """The package cannot be built; the text says why and what to do."""


def build(out: Path) -> Path:
    """The package's file in `out`."""
    if not Path("/usr/bin", PYTHON).exists():
        hint = "make .venv with the distribution's: HOLDFAST_PYTHON=/usr/bin/python3 make clean deb"
        raise PackageError(f"The package would need {PYTHON}, which this Debian does not have.\n  hint: {hint}")
    architecture = _run("dpkg", "--print-architecture").strip()
    version = PROJECT["version"]
    with tempfile.TemporaryDirectory(prefix="holdfast-deb-") as name:
        stage = Path(name) / "stage"
        home = stage / "usr/lib/holdfast"
        site = home / "lib" / PYTHON / "site-packages"
        site.mkdir(parents=True)
        _python(home)
        for distribution in needed():
            _copy(distribution, site)
        _own(site)
        _native(home, site)
        _system(stage, home)
        _modes(stage)
        depends = sorted({*_libraries(stage, Path(name)), PYTHON, *NEEDED, *_listed("run")})
        _control(stage, version, architecture, depends)
        out.mkdir(parents=True, exist_ok=True)
        target = out / f"{OWN}_{version}_{architecture}.deb"
        _run("dpkg-deb", "-Zzstd", "-z3", "--root-owner-group", "--build", str(stage), str(target))
    return target


def needed() -> Iterator[metadata.Distribution]:
    """What the box needs to run, and what that needs, without what only tests need."""
    direct = {_name(need) for need in PROJECT["dependencies"]}
    waiting, seen = deque(sorted(direct)), set(direct)
    while waiting:
        name = waiting.popleft()
        try:
            there = metadata.distribution(name)
        except metadata.PackageNotFoundError as error:
            if name in direct:
                raise PackageError(f"The Python package {name} is not in .venv.\n  hint: build by `make deb`, which installs it") from error
            continue  # needed on other systems or by other versions alone
        yield there
        more = {_name(need) for need in there.requires or () if "extra ==" not in need} - seen
        seen |= more
        waiting += sorted(more)


def _name(need: str) -> str:
    """`flask` of `Flask[async]>=3; python_version > "3"`."""
    return re.split(r"[^A-Za-z0-9._-]", need, maxsplit=1)[0].lower().replace("_", "-")


def _copy(distribution: metadata.Distribution, site: Path) -> None:
    """Its files as its RECORD lists them; what it would put elsewhere (commands) and what was compiled stay behind."""
    for file in distribution.files or ():
        if ".." in file.parts or "__pycache__" in file.parts:
            continue
        target = site / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(str(file.locate()), target)


def _python(home: Path) -> None:
    """A virtual environment by hand: `venv` would write this machine's paths into it."""
    (home / "bin").mkdir()
    (home / "bin/python3").symlink_to(f"/usr/bin/{PYTHON}")
    (home / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")


def _own(site: Path) -> None:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, site / package, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    info = site / f"{OWN}-{PROJECT['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(metadata.distribution(OWN).read_text("METADATA") or "")
    shutil.copy(ROOT / "LICENSE", info / "LICENSE")
    (info / "RECORD").write_text(f"{info.name}/METADATA,,\n{info.name}/LICENSE,,\n")


def _native(home: Path, site: Path) -> None:
    """pjproject, its binding and the shim; each finds the libraries from where it lies."""
    prefix, shim = native.build(native.default_cache(), quiet=True)
    libraries, modules = home / "native/lib", home / "native/python"
    libraries.mkdir(parents=True)
    modules.mkdir()
    for library in (prefix / "lib").glob("*.so.*"):
        shutil.copy2(library, libraries / library.name)
    for module in (*(prefix / "python").iterdir(), *shim.glob("*.so")):
        if module.is_file():
            shutil.copy2(module, modules / module.name)
    for module in modules.glob("*.so"):
        _run("patchelf", "--set-rpath", "$ORIGIN/../lib", str(module))
    (site / "holdfast-native.pth").write_text("../../../native/python\n")


def _system(stage: Path, home: Path) -> None:
    shutil.copy(HERE / "holdfast", home / "bin/holdfast")
    (stage / "usr/bin").mkdir()
    (stage / "usr/bin/holdfast").symlink_to("../lib/holdfast/bin/holdfast")
    for source, target in (
        *((ROOT / "image/systemd" / unit, f"usr/lib/systemd/system/{unit}") for unit in UNITS),
        (HERE / "default", "etc/default/holdfast"),
        (ROOT / "README.md", "usr/share/doc/holdfast/README.md"),
        (ROOT / "LICENSE", "usr/share/doc/holdfast/copyright"),
    ):
        (stage / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, stage / target)


def _modes(stage: Path) -> None:
    """Whatever umask this checkout was made with."""
    for path in (stage, *stage.rglob("*")):
        if path.is_symlink():
            continue
        path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)


def _libraries(stage: Path, work: Path) -> list[str]:
    """The distribution's packages of the libraries that what was compiled is linked with."""
    (work / "debian").mkdir()
    (work / "debian/control").write_text(f"Source: {OWN}\n\nPackage: {OWN}\nArchitecture: any\n")
    compiled = [str(path) for path in stage.rglob("*.so*") if not path.is_symlink()]
    found = _run("dpkg-shlibdeps", "-O", "--ignore-missing-info", f"-l{stage}/usr/lib/holdfast/native/lib", *compiled, cwd=work)
    return found.partition("shlibs:Depends=")[2].strip().split(", ")


def _listed(name: str) -> list[str]:
    lines = (ROOT / f"image/packages-{name}.txt").read_text().splitlines()
    return [word for line in lines if (word := line.partition("#")[0].strip())]


def _control(stage: Path, version: str, architecture: str, depends: list[str]) -> None:
    folder = stage / "DEBIAN"
    folder.mkdir()
    kilobytes = sum(path.stat().st_size for path in stage.rglob("*") if path.is_file() and not path.is_symlink()) // 1024
    (folder / "control").write_text(
        f"Package: {OWN}\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: Holdfast <holdfast@localhost>\nInstalled-Size: {kilobytes}\n"
        f"Depends: {', '.join(depends)}\nSection: comm\nPriority: optional\n"
        "Description: phone system of a site that works when the outside world does not\n"
        " An on-premises SIP edge appliance: registers phones, connects calls, runs call\n"
        " flows, and gets emergency calls out whatever is broken. Set up in a browser.\n"
    )
    (folder / "conffiles").write_text("/etc/default/holdfast\n")
    for script in SCRIPTS:
        shutil.copy(HERE / script, folder / script)
        (folder / script).chmod(0o755)


def _run(*command: str, cwd: Path | None = None) -> str:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise PackageError(f"The program {command[0]} is not installed.\n  hint: install the Debian packages dpkg-dev and patchelf") from error
    if done.returncode:
        raise PackageError(f"{command[0]} failed:\n{done.stderr.strip()[-1500:]}")
    return done.stdout


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the Debian package.")
    parser.add_argument("--out", type=Path, default=ROOT / "build")
    options = parser.parse_args()
    try:
        target = build(options.out)
    except (PackageError, native.BuildError) as error:
        print(f"holdfast: {error}", file=sys.stderr)
        return 1
    print(f"{target} ({target.stat().st_size / 1e6:.0f} MB). On a Debian machine like this one ({platform.machine()}), as root:")
    print(f"  apt install {target}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
