"""Builds pjproject, its pjsua2 binding and the shim into a cache outside the checkout; run by `make`, not imported by the engine.

    python -m appliance.sip.native.build [--cache DIR] [--quiet]

The cache holds one folder per key: pjproject by (tarball checksum, config_site.h, recipe, Python ABI, machine), the shim by
(pjproject key, shim sources). A finished build is linked into the running interpreter's site-packages by a `.pth` file, so a second
start only computes two hashes. Exit code 1 with one sentence and a hint when something is missing.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path

from cffi import FFI

HERE = Path(__file__).resolve().parent
SHIM_SOURCES = sorted(p for p in (HERE / "shim").glob("*") if p.suffix in {".c", ".h"})
CONFIG_SITE = HERE / "config_site.h"
TARBALLS = HERE / "tarballs.txt"
MINIMUM = (2, 17)

CONFIGURE = [
    "--enable-shared",
    "--enable-epoll",
    "--disable-sound",
    "--disable-video",
    "--disable-libwebrtc",
    "--disable-libwebrtc-aec3",
    "--disable-libyuv",
    "--disable-ilbc-codec",
    "--disable-g7221-codec",
    "--disable-bcg729",  # GPL-3: cannot be shipped with this product
    "--disable-upnp",
    "--with-external-srtp",
    "--with-external-gsm",
    "--with-external-speex",
    "--enable-libsamplerate",
    "--with-ssl=/usr",  # without it a cross configure silently drops TLS
]
CFLAGS = "-O3 -DNDEBUG -fPIC -fno-plt"
SHIM_CFLAGS = [
    "-O3",
    "-std=gnu11",
    "-Wall",
    "-DPJ_AUTOCONF=1",
    "-DPJ_IS_BIG_ENDIAN=0",
    "-DPJ_IS_LITTLE_ENDIAN=1",
    "-DNDEBUG",
    "-Wno-deprecated-declarations",
]
SHIM_LIBS = ["pjsua", "pjsip-ua", "pjsip-simple", "pjsip", "pjmedia", "pjnath", "pjlib-util", "pj"]
# What one build prints about, in lines of make output; only for the progress figure.
EXPECTED_LINES = {"library": 620, "binding": 30}


class BuildError(Exception):
    """A build step failed: `sentence` says what, `hint` what to do."""

    def __init__(self, sentence: str, hint: str) -> None:
        super().__init__(sentence)
        self.sentence, self.hint = sentence, hint


def digest(*parts: bytes) -> str:
    """Sixteen hex digits over the parts, each length-prefixed."""
    h = hashlib.sha256()
    for part in parts:
        h.update(len(part).to_bytes(8, "big"))
        h.update(part)
    return h.hexdigest()[:16]


def known_tarballs() -> dict[str, str]:
    """SHA-256 -> version of every tarball this recipe was tried with."""
    rows = (line.split() for line in TARBALLS.read_text().splitlines() if line.strip() and not line.startswith("#"))
    return {row[0]: row[1] for row in rows}


def abi() -> str:
    """The interpreter ABI and machine a binary belongs to, e.g. `cpython-311-x86_64-linux-gnu`."""
    return str(sysconfig.get_config_var("SOABI") or f"{sys.implementation.cache_tag}-{platform.machine()}")


class Progress:
    """One line on a terminal, one line per step elsewhere."""

    def __init__(self, quiet: bool) -> None:
        self.quiet, self.tty = quiet, sys.stdout.isatty()

    def say(self, text: str) -> None:
        if not self.quiet:
            print(text, flush=True)

    def run(self, title: str, command: list[str], cwd: Path, log: Path, expected: int = 0, env: dict[str, str] | None = None) -> None:
        """Run one step, its output in `log`. Raises BuildError with the log's last lines."""
        start, lines, shown = time.monotonic(), 0, -1
        with log.open("ab") as sink, subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env) as process:
            assert process.stdout is not None
            for raw in process.stdout:
                sink.write(raw)
                lines += 1
                percent = min(99, 100 * lines // expected) if expected else 0
                step = percent if self.tty else percent // 25
                if not self.quiet and step != shown:
                    shown = step
                    print(f"  {title} {percent:3d} %", end="\r" if self.tty else "\n", flush=True)
        if process.returncode:
            tail = log.read_text(errors="replace").splitlines()[-15:]
            raise BuildError(f"{title} failed (exit {process.returncode})", "the last lines were:\n    " + "\n    ".join(tail) + f"\n  all of it: {log}")
        self.say(f"  {title}: done in {time.monotonic() - start:.0f} s")


# ---- where the tarball comes from ------------------------------------------------------------------------------


def find_tarball(cache: Path, progress: Progress) -> Path:
    """The tarball to build: named by HOLDFAST_PJPROJECT, cached (a known one first), or fetched from Debian's `asterisk` source package."""
    named = os.environ.get("HOLDFAST_PJPROJECT")
    if named:
        path = Path(named)
        if not path.is_file():
            raise BuildError(f"HOLDFAST_PJPROJECT names {path}, which is not a file", "give the path of a pjproject 2.17 (or later) source tarball")
        return path
    store = cache / "tarballs"
    store.mkdir(parents=True, exist_ok=True)
    known = known_tarballs()
    cached = sorted(store.glob("*.tar.xz"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in cached:
        if hashlib.sha256(path.read_bytes()).hexdigest() in known:
            return path
    if cached:  # one not tried before, fetched earlier: a start without network must not need it again
        return cached[0]
    progress.say("  fetching the pjproject source from Debian's asterisk source package")
    return fetch_from_debian(store)


def debian_mirror() -> tuple[str, str]:
    """(mirror URL, keyring option) as the machine's own apt sources name them."""
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    option = f"[signed-by={keyring}] " if Path(keyring).exists() else ""
    files = [*Path("/etc/apt/sources.list.d").glob("*.sources"), *Path("/etc/apt/sources.list.d").glob("*.list"), Path("/etc/apt/sources.list")]
    for path in files:
        if not path.is_file():
            continue
        for line in path.read_text(errors="replace").splitlines():
            words = line.split()
            if line.startswith("#"):
                continue
            for word in words:
                if "://" in word and word.rstrip("/").endswith("/debian"):
                    return word.rstrip("/"), option
    raise BuildError("No Debian mirror is named in /etc/apt", "set HOLDFAST_PJPROJECT to a pjproject 2.17 (or later) source tarball")


def fetch_from_debian(store: Path) -> Path:
    """`apt-get source --download-only asterisk` from sid, without touching the machine's own apt configuration.

    A mirror that lags shows a Release file past its Valid-Until. Its signature still counts, but it could be a replay of an old archive, so then
    only a tarball this recipe knows by checksum is taken.
    """
    mirror, option = debian_mirror()
    with tempfile.TemporaryDirectory(prefix="holdfast-apt-") as name:
        work = Path(name)
        work.chmod(0o755)
        (work / "lists" / "partial").mkdir(parents=True)
        (work / "sid.list").write_text(f"deb-src {option}{mirror} sid main\n")
        apt = ["apt-get", "-qq", "-o", f"Dir::Etc::sourcelist={work}/sid.list", "-o", "Dir::Etc::sourceparts=-", "-o", f"Dir::State::Lists={work}/lists"]
        steps = (["update"], ["source", "--download-only", "asterisk"])
        said = run_steps(apt, steps, work)
        lagging = "is expired" in said
        if lagging:
            apt += ["-o", "Acquire::Check-Valid-Until=false"]
            said = run_steps(apt, steps, work)
        if said:
            raise BuildError("The pjproject source could not be fetched", f"check the network, or set HOLDFAST_PJPROJECT to a tarball; apt said: {said[-400:]}")
        found = list(work.glob("*pjproject*.tar.*"))
        if not found:
            raise BuildError("Debian's asterisk source no longer carries pjproject", "set HOLDFAST_PJPROJECT to a pjproject 2.17 (or later) source tarball")
        checksum = hashlib.sha256(found[0].read_bytes()).hexdigest()
        if lagging and checksum not in known_tarballs():
            sentence = "The Debian mirror is out of date and offers a pjproject not tried before"
            raise BuildError(sentence, "wait for the mirror, or set HOLDFAST_PJPROJECT to a tarball")
        target = store / f"pjproject-{checksum[:12]}.tar.xz"
        shutil.copyfile(found[0], target.with_suffix(".part"))
        target.with_suffix(".part").replace(target)
        return target


def run_steps(apt: list[str], steps: tuple[list[str], ...], work: Path) -> str:
    """Run apt with each step in turn; "" or what it said when one failed."""
    for step in steps:
        done = subprocess.run([*apt, *step], cwd=work, capture_output=True, text=True, check=False, env=dict(os.environ, LC_ALL="C"))
        if done.returncode:
            return done.stderr.strip() or f"exit code {done.returncode}"
    return ""


def unpack(tarball: Path, into: Path) -> Path:
    """Unpack and return the folder that holds `aconfigure`."""
    # GNU tar refuses paths that lead outside; tarfile learned that (`filter`) only after Debian 12's Python.
    done = subprocess.run(["tar", "-xf", str(tarball), "-C", str(into)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{tarball.name} could not be unpacked", f"delete {tarball} and try again; tar said: {done.stderr.strip()[-200:]}")
    found = sorted(into.rglob("aconfigure"), key=lambda p: len(p.parts))
    if not found:
        raise BuildError(f"{tarball.name} is not a pjproject source", "give a pjproject 2.17 (or later) source tarball")
    return found[0].parent


def version_of(source: Path) -> str:
    """`2.17` from version.mak, refused when it is too old."""
    fields = {}
    for line in (source / "version.mak").read_text().splitlines():
        name, _, value = line.replace("export ", "").partition(":=")
        fields[name.strip()] = value.strip()
    version = f"{fields.get('PJ_VERSION_MAJOR', '0')}.{fields.get('PJ_VERSION_MINOR', '0')}"
    if tuple(int(n) for n in version.split(".")) < MINIMUM:
        raise BuildError(f"pjproject {version} is too old", "2.17 or later is needed")
    return version


# ---- building --------------------------------------------------------------------------------------------------


def build_pjproject(tarball: Path, prefix: Path, cache: Path, progress: Progress) -> None:
    """Libraries into prefix/lib, headers into prefix/include, the pjsua2 module into prefix/python."""
    jobs = f"-j{os.cpu_count() or 1}"
    checksum = hashlib.sha256(tarball.read_bytes()).hexdigest()
    known = known_tarballs().get(checksum)
    work = Path(tempfile.mkdtemp(prefix="build-", dir=cache))
    log = work / "build.log"
    partial = prefix.with_name(prefix.name + ".part")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        source = unpack(tarball, work)
        version = version_of(source)
        progress.say(f"  pjproject {version}, " + ("a known tarball" if known else f"a tarball not tried before (sha256 {checksum[:12]}…)"))
        stub = source / "pjmedia/src/pjmedia-audiodev/bdimad_dev.c"
        if not stub.exists():
            stub.touch()  # Debian strips it; the Makefile still names it
        shutil.copyfile(CONFIG_SITE, source / "pjlib/include/pj/config_site.h")
        env = dict(os.environ, CFLAGS=CFLAGS, CXXFLAGS=CFLAGS, LDFLAGS="-Wl,-rpath,'$$ORIGIN'")
        progress.run("configure", ["./aconfigure", f"--prefix={partial}", *CONFIGURE], source, log, env=dict(env, LDFLAGS=""))
        progress.run("pjproject libraries", ["make", jobs, "lib"], source, log, EXPECTED_LINES["library"], dict(os.environ))
        progress.run("install", ["make", "install"], source, log)
        swig = source / "pjsip-apps/src/swig"
        (swig / "python" / "output").mkdir(parents=True, exist_ok=True)
        progress.run("pjsua2 binding", ["make", "-C", "python", f"PYTHON={sys.executable}"], swig, log, EXPECTED_LINES["binding"])
        modules = partial / "python"
        modules.mkdir()
        built = [*swig.glob("python/pjsua2.py"), *swig.glob("python/**/_pjsua2*.so")]
        for path in built:
            shutil.copy2(path, modules / path.name)
        if len({p.name for p in built}) < 2:
            raise BuildError("The pjsua2 binding was not built", f"see {log}")
        # The libraries are found beside each other and from the module, without LD_LIBRARY_PATH: RUNPATH is not inherited.
        for library in (partial / "lib").glob("*.so*"):
            if not library.is_symlink():
                progress.run(f"runpath {library.name}", ["patchelf", "--set-rpath", "$ORIGIN", str(library)], work, log)
        for library in modules.glob("*.so"):
            progress.run(f"runpath {library.name}", ["patchelf", "--set-rpath", "$ORIGIN/../lib", str(library)], work, log)
        (partial / "VERSION").write_text(f"{version} {checksum}\n")
        shutil.rmtree(prefix, ignore_errors=True)
        partial.rename(prefix)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        if not isinstance(sys.exc_info()[1], BuildError):
            shutil.rmtree(work, ignore_errors=True)
        raise
    shutil.rmtree(work, ignore_errors=True)


def build_shim(prefix: Path, target: Path, cache: Path, progress: Progress) -> None:
    """The cffi module `_holdfast_shim` into target/."""
    work = Path(tempfile.mkdtemp(prefix="shim-", dir=cache))
    try:
        ffi = FFI()
        ffi.cdef((HERE / "shim" / "interface.h").read_text())
        ffi.set_source(
            "_holdfast_shim",
            '#include "shim.c"',
            include_dirs=[str(prefix / "include"), str(HERE / "shim")],
            library_dirs=[str(prefix / "lib")],
            libraries=SHIM_LIBS,
            extra_compile_args=SHIM_CFLAGS,
            extra_link_args=[f"-Wl,-rpath,{prefix / 'lib'}"],
        )
        started = time.monotonic()
        try:
            built = Path(ffi.compile(tmpdir=str(work), verbose=False))
        except Exception as error:  # distutils raises its own tree
            raise BuildError("The shim did not compile", str(error)) from error
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        shutil.copy2(built, target / built.name)
        progress.say(f"  shim: done in {time.monotonic() - started:.0f} s")
    finally:
        shutil.rmtree(work, ignore_errors=True)


def link_into_interpreter(*folders: Path) -> None:
    """Make the built modules importable by this interpreter (a `.pth` in its site-packages)."""
    pth = Path(sysconfig.get_path("purelib")) / "holdfast-native.pth"
    text = "".join(f"{folder}\n" for folder in folders)
    if not pth.exists() or pth.read_text() != text:
        pth.write_text(text)


@contextmanager
def locked(cache: Path) -> Iterator[None]:
    """Two `make run` at once build once."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as handle:
        flock(handle, LOCK_EX)
        yield


def default_cache() -> Path:
    """HOLDFAST_CACHE, else the user's cache folder."""
    named = os.environ.get("HOLDFAST_CACHE")
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "holdfast"


def build(cache: Path, quiet: bool = False) -> tuple[Path, Path]:
    """Bring both builds up to date; returns (pjproject prefix, shim folder)."""
    progress = Progress(quiet)
    with locked(cache):
        tarball = find_tarball(cache, progress)
        recipe = "\n".join([*CONFIGURE, CFLAGS]).encode()
        key = digest(tarball.read_bytes(), CONFIG_SITE.read_bytes(), recipe, abi().encode(), platform.machine().encode())
        prefix = cache / f"pjproject-{key}"
        if not (prefix / "VERSION").exists():
            progress.say("Building pjproject (some minutes, once):")
            build_pjproject(tarball, prefix, cache, progress)
        shim_key = digest(key.encode(), "\n".join([*SHIM_CFLAGS, *SHIM_LIBS]).encode(), *(p.read_bytes() for p in SHIM_SOURCES))
        shim = cache / f"shim-{shim_key}"
        if not any(shim.glob("*.so")):
            progress.say("Building the shim:")
            build_shim(prefix, shim, cache, progress)
        link_into_interpreter(prefix / "python", shim)
    return prefix, shim


def main() -> int:
    parser = argparse.ArgumentParser(description="Build pjproject and the shim into the cache.")
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--quiet", action="store_true")
    options = parser.parse_args()
    try:
        prefix, _ = build(options.cache, options.quiet)
    except BuildError as error:
        print(f"holdfast: {error.sentence}.\n  hint: {error.hint}", file=sys.stderr)
        return 1
    if not options.quiet:
        print(f"pjproject {(prefix / 'VERSION').read_text().split()[0]} and the shim are ready.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
