"""A Raspberry Pi's sensors as files, laid out as the kernel lays out /sys (`HOLDFAST_SYSFS`): heat and power supply at a test's will."""

from __future__ import annotations

from pathlib import Path


class PiSensors:
    """`root` takes the place of /sys. `maker`: the kernel is the maker's, which has `get_throttled` beside what every kernel has."""

    def __init__(self, root: Path, *, temperature_c: float = 51.1, maker: bool = True) -> None:
        self.root, self._maker = root, maker
        devices = root / "devices"
        self._heat = self._made(devices / "virtual/thermal/thermal_zone0", type="cpu-thermal", temp="0")
        hwmon = self._made(devices / "virtual/thermal/thermal_zone0/hwmon0", name="cpu_thermal", temp1_input="0")
        firmware = devices / "platform/soc/soc:firmware"
        self._supply = self._made(firmware / "raspberrypi-hwmon/hwmon/hwmon1", name="rpi_volt", in0_lcrit_alarm="0")
        # A disk may be hotter than the processor, and is not what is asked about.
        disk = self._made(devices / "pci0000:00/nvme/nvme0/hwmon2", name="nvme", temp1_input="88850")
        self._firmware = firmware
        for kind, folders in (("thermal", {"thermal_zone0": self._heat}), ("hwmon", {"hwmon0": hwmon, "hwmon1": self._supply, "hwmon2": disk})):
            (root / "class" / kind).mkdir(parents=True)
            for name, folder in folders.items():
                (root / "class" / kind / name).symlink_to(folder)
        self.heat(temperature_c)
        self.supply()

    @staticmethod
    def _made(folder: Path, **files: str) -> Path:
        folder.mkdir(parents=True)
        for name, text in files.items():
            (folder / name).write_text(f"{text}\n")
        return folder

    def heat(self, temperature_c: float) -> None:
        for path in (self._heat / "temp", self._heat / "hwmon0/temp1_input"):
            path.write_text(f"{temperature_c * 1000:.0f}\n")

    def supply(self, *, low: bool = False, slowed: bool = False) -> None:
        """As the firmware puts it: bits of now, and those that stay since the start."""
        (self._supply / "in0_lcrit_alarm").write_text(f"{low:d}\n")
        if self._maker:
            flags = low * 0x10001 | slowed * 0x40006
            (self._firmware / "get_throttled").write_text(f"{flags:x}\n")
