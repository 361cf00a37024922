"""What the board says of its heat and its power supply, from the kernel's files (sysfs). psutil has no under-voltage and reads one fixed folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

SYSFS = Path("/sys")
_PROCESSOR = re.compile(r"cpu|soc|core|k10|zen|acpi|thermal")
"""In the name of a sensor of the processor or its package; disks and network cards have sensors, too, and may be hotter."""
_LOW_NOW, _SLOWED = 1 << 0, 0b1110
"""Of `get_throttled` (raspberrypi.com, documentation of vcgencmd): under-voltage; clock capped, throttled, soft limit of temperature."""


def temperature_c(root: Path) -> float | None:
    """The hottest of the processor's sensors, else of all. `root`: sysfs. None: there is no sensor."""
    known = [(name, value) for name, value in (*_hwmon(root), *_zones(root)) if 0 < value < 150]
    ours = [value for name, value in known if _PROCESSOR.search(name)]
    return max(ours or [value for _, value in known], default=None)


def power(root: Path) -> tuple[bool, bool] | None:
    """What a Raspberry Pi's firmware says: (the supply gives too little voltage, the board slows its processor down). None: this board does not say.

    `rpi_volt` (kernel documentation, raspberrypi-hwmon) is in every kernel and knows the last two seconds; `get_throttled` is only in the maker's, and knows
    why the processor is slow as well.
    """
    alarms = [alarm for folder in _folders(root / "class/hwmon") if _text(folder / "name") == "rpi_volt" and (alarm := _text(folder / "in0_lcrit_alarm"))]
    throttled = [found for path in root.glob("devices/platform/soc*/soc*firmware/get_throttled") if (found := _hexadecimal(path)) is not None]
    if not alarms and not throttled:
        return None
    flags = throttled[0] if throttled else 0
    return "1" in alarms or bool(flags & _LOW_NOW), bool(flags & _SLOWED)


def _hwmon(root: Path) -> Iterator[tuple[str, float]]:
    for folder in _folders(root / "class/hwmon"):
        name = _text(folder / "name")
        for path in sorted(folder.glob("temp*_input")):
            yield from _degrees(name, path)


def _zones(root: Path) -> Iterator[tuple[str, float]]:
    for folder in _folders(root / "class/thermal"):
        yield from _degrees(_text(folder / "type"), folder / "temp")


def _degrees(name: str, path: Path) -> Iterator[tuple[str, float]]:
    """Thousandths in the file; a sensor that cannot be read just now is none."""
    try:
        yield name, int(_text(path)) / 1000
    except ValueError:
        return


def _folders(above: Path) -> list[Path]:
    try:
        return sorted(above.iterdir())
    except OSError:
        return []


def _hexadecimal(path: Path) -> int | None:
    try:
        return int(_text(path), 16)
    except ValueError:
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
