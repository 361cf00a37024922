"""Runs a program the way a systemd unit would: `python3 -I jail.py UNIT UID GID COMMAND...`, as root. It needs nothing but the standard library.

What the unit says of capabilities, system calls and memory is put into force by the same kernel calls; file system and devices stay as they are.
"""

import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

PR_CAPBSET_DROP, PR_CAP_AMBIENT, PR_SET_NO_NEW_PRIVS, PR_SET_MDWE, PR_SET_KEEPCAPS = 24, 47, 38, 65, 8
AMBIENT_RAISE, MDWE_REFUSE_EXEC_GAIN = 2, 1
SCMP_ACT_ALLOW, SCMP_ACT_ERRNO, SCMP_ACT_EPERM = 0x7FFF0000, 0x00050000, 0x00050001
CAPABILITIES = {"CAP_NET_BIND_SERVICE": 10, "CAP_NET_ADMIN": 12}
VERSION_3 = 0x20080522
libc = ctypes.CDLL(None, use_errno=True)


def settings(unit: Path) -> list[tuple[str, str]]:
    return [(name, value) for name, eq, value in (line.partition("=") for line in unit.read_text().splitlines()) if eq and not name.startswith("#")]


def groups() -> dict[str, list[str]]:
    """Systemd's own groups of system calls, `@name` -> members."""
    said = subprocess.run(["systemd-analyze", "--no-pager", "syscall-filter"], capture_output=True, text=True, check=True).stdout
    found: dict[str, list[str]] = {}
    for line in said.splitlines():
        if line.startswith("@"):
            members = found.setdefault(line.strip(), [])
        elif found and re.fullmatch(r"\s+[@a-z_][a-z0-9_-]*", line):
            members.append(line.strip())
        elif line.startswith("#"):
            break  # what the kernel has and no group names
    return found


def allowed(unit: Path) -> set[str]:
    known = groups()

    def expand(word: str) -> set[str]:
        return set().union(*(expand(member) for member in known[word])) if word.startswith("@") else {word}

    names = expand("@default")
    for name, value in settings(unit):
        if name == "SystemCallFilter":
            words = set().union(*(expand(word) for word in value.removeprefix("~").split()))
            names = names - words if value.startswith("~") else names | words
    return names


def confine(calls: set[str]) -> None:
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    seccomp.seccomp_rule_add.argtypes = (ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint)
    seccomp.seccomp_load.argtypes = (ctypes.c_void_p,)
    made = seccomp.seccomp_init(SCMP_ACT_EPERM)
    for call in calls:
        number = seccomp.seccomp_syscall_resolve_name(call.encode())
        if number >= 0:  # others are of other processors
            check(seccomp.seccomp_rule_add(made, SCMP_ACT_ALLOW, number, 0), call)
    check(seccomp.seccomp_load(made), "seccomp_load")


def check(code: int, what: str) -> None:
    if code != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {code}")


def prctl(option: int, *values: int) -> None:
    check(libc.prctl(option, *(ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4])), f"prctl {option}")


def main() -> None:
    unit, uid, gid, command = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
    calls = allowed(unit)
    kept = [CAPABILITIES[word] for name, value in settings(unit) if name == "CapabilityBoundingSet" for word in value.split()]
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    for number in range(last + 1):
        if number not in kept:
            prctl(PR_CAPBSET_DROP, number)
    os.setgroups([])
    prctl(PR_SET_KEEPCAPS, 1)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    mask = sum(1 << number for number in kept)
    data = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    check(libc.capset((ctypes.c_uint32 * 2)(VERSION_3, 0), data), "capset")
    for number in kept:
        prctl(PR_CAP_AMBIENT, AMBIENT_RAISE, number)
    os.umask(0o027)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    if ("MemoryDenyWriteExecute", "yes") in settings(unit):
        prctl(PR_SET_MDWE, MDWE_REFUSE_EXEC_GAIN)
    os.chdir("/")
    confine(calls)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
