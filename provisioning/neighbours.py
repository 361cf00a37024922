"""The kernel's table of neighbours: which MAC address an address on the LAN has (proc(5), /proc/net/arp)."""

from __future__ import annotations

from pathlib import Path

_TABLE = Path("/proc/net/arp")
_COMPLETE = 0x2


def neighbour(ip: str, table: Path = _TABLE) -> str:
    """`192.168.1.20` -> `805ec0112233`; "" for who is not directly attached. Reads memory, not a disk."""
    try:
        rows = table.read_text("ascii").splitlines()[1:]
    except OSError:
        return ""
    for row in rows:
        fields = row.split()
        if len(fields) >= 4 and fields[0] == ip and int(fields[2], 16) & _COMPLETE:
            mac = fields[3].replace(":", "").lower()
            return "" if mac == "0" * 12 else mac
    return ""
