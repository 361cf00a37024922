"""A text as PDUs: GSM 7 bit where its alphabet suffices, else UCS2, in parts where it is long (3GPP TS 23.038, 23.040)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from appliance.cellular.api import CellularError

_BASIC = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
_EXTENDED = {"\f": 0x0A, "^": 0x14, "{": 0x28, "}": 0x29, "\\": 0x2F, "[": 0x3C, "~": 0x3D, "]": 0x3E, "|": 0x40, "€": 0x65}
_SEPTETS = {char: (code,) for code, char in enumerate(_BASIC) if char != "\x1b"} | {char: (0x1B, code) for char, code in _EXTENDED.items()}

MOST_PARTS = 10
_NUMBER = re.compile(r"\+?[0-9*#]{1,20}")


@dataclass(frozen=True, slots=True)
class Pdu:
    """A part as AT+CMGS takes it: `length` octets without that of the service centre."""

    hex: str
    length: int


def number(text: str) -> str:
    """A phone number as the modem dials it. Raises CellularError."""
    plain = "".join(char for char in text if char not in " ().-/\u00a0")
    if not _NUMBER.fullmatch(plain):
        raise CellularError(
            f"{text[:40]!r} is no phone number", "write it as you would dial it on a mobile phone, best with + and the country code", code="number"
        )
    return plain


def encode(to: str, text: str, reference: int) -> list[Pdu]:
    """The parts of a text to a `number`. `reference`: tells the parts of this text from those of others. Raises CellularError."""
    if not text.strip():
        raise CellularError("The text is empty", "write what it should say", code="text")
    septets = all(char in _SEPTETS for char in text)
    units: list[tuple[int, ...]] = [_SEPTETS[char] for char in text] if septets else [tuple(char.encode("utf-16-be", "replace")) for char in text]
    whole, part = (160, 153) if septets else (140, 134)
    pieces = _cut(units, part) if sum(map(len, units)) > whole else [[code for unit in units for code in unit]]
    if len(pieces) > MOST_PARTS:
        raise CellularError(f"The text is too long: it takes {len(pieces)} messages, and {MOST_PARTS} are sent at most", "shorten it", code="text")
    return [
        _submit(to, piece, septets, b"" if len(pieces) == 1 else bytes((5, 0, 3, reference & 0xFF, len(pieces), at)))
        for at, piece in enumerate(pieces, 1)
    ]  # fmt: skip


def _cut(units: list[tuple[int, ...]], most: int) -> list[list[int]]:
    """Pieces of at most `most` codes; none splits a character."""
    pieces: list[list[int]] = [[]]
    for unit in units:
        if len(pieces[-1]) + len(unit) > most:
            pieces.append([])
        pieces[-1] += unit
    return pieces


def _submit(to: str, codes: list[int], septets: bool, header: bytes) -> Pdu:
    digits = to.lstrip("+").translate(str.maketrans("*#", "AB"))
    padded = digits + "F" * (len(digits) % 2)
    swapped = "".join(padded[at + 1] + padded[at] for at in range(0, len(padded), 2))
    address = bytes((len(digits), 0x91 if to.startswith("+") else 0x81)) + bytes.fromhex(swapped)
    if septets:
        fill = -len(header) * 8 % 7
        data = header + _packed(codes, fill)
        length = (len(header) * 8 + fill) // 7 + len(codes)
    else:
        data = header + bytes(codes)
        length = len(data)
    # SMS-SUBMIT with a relative validity period of a day (0xA7), header indicator where there is one.
    first = 0x11 | (0x40 if header else 0)
    tpdu = bytes((first, 0)) + address + bytes((0, 0 if septets else 8, 0xA7, length)) + data
    return Pdu("00" + tpdu.hex().upper(), len(tpdu))


def _packed(codes: list[int], fill: int) -> bytes:
    """Septets, the first in the lowest bits, after `fill` bits that bring them to a septet's boundary."""
    bits = sum(code << (7 * at) for at, code in enumerate(codes)) << fill
    return bits.to_bytes((fill + 7 * len(codes) + 7) // 8, "little")
