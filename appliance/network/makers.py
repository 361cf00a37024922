"""Who made a phone, by the first three bytes of its MAC address (pure)."""

from __future__ import annotations

_PREFIXES = {
    "Yealink": ("001565", "805ec0", "805e0c", "249ad8", "44dbd2", "e434d7", "644f56", "ec1da9", "3497d7", "b061a9", "c4fc22", "f01653"),
    "Poly": ("0004f2", "64167f", "482567", "f04ea4"),
    "Grandstream": ("000b82", "c074ad", "ec74d7"),
    "Snom": ("000413",),
    "Fanvil": ("0c383e", "00a859"),
    "Gigaset": ("7c2f80",),
    "Htek": ("001fc1",),
    "Panasonic": ("0080f0",),
}
"""As the IEEE's register of MAC address blocks has them, for makers of desk phones."""
_MAKERS = {prefix: maker for maker, prefixes in _PREFIXES.items() for prefix in prefixes}


def maker(mac: str) -> str:
    """`80:5e:c0:4a:11:7c` -> `Yealink`; "" for anything that is not known to be a phone."""
    return _MAKERS.get(mac.replace(":", "").replace("-", "").lower()[:6], "")
