"""What the machine is: board, kernel, system. It does not change while the box runs."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Machine:
    """`board` "": it does not say what it is."""

    host: str
    board: str
    architecture: str
    system: str
    kernel: str
    python: str
    cores: int


def machine(root: Path = Path("/")) -> Machine:
    return Machine(platform.node(), _board(root), platform.machine(), _system(root), platform.release(), platform.python_version(), os.cpu_count() or 1)


def _board(root: Path) -> str:
    """Of a device tree (a Pi), else of the firmware's tables (a PC)."""
    for names in (("proc/device-tree/model",), ("sys/class/dmi/id/sys_vendor", "sys/class/dmi/id/product_name")):
        words = [_text(root / name) for name in names]
        if words[-1]:
            return " ".join(dict.fromkeys(word for word in words if word))
    return ""


def _system(root: Path) -> str:
    for line in _text(root / "etc/os-release").splitlines():
        name, _, value = line.partition("=")
        if name == "PRETTY_NAME":
            return value.strip().strip('"')
    return platform.system()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ")
    except OSError:
        return ""
