"""When a certificate ends: the one field the box needs of X.509, without the memory that a whole library takes."""

from __future__ import annotations

import binascii
import re
from datetime import UTC, datetime

from appliance.health.reading import CertificateReading

_SEQUENCE, _VERSION, _UTC_TIME = 0x30, 0xA0, 0x17


def read(file: str, pem: str) -> CertificateReading:
    """Of the first certificate in `pem`, which is the server's own."""
    try:
        return CertificateReading(file, ends_unix_s(pem))
    except (ValueError, IndexError):
        return CertificateReading(file, None)


def ends_unix_s(pem: str) -> float:
    """notAfter (RFC 5280 section 4.1.2.5). Raises ValueError or IndexError for what is no certificate."""
    found = re.search(r"-----BEGIN CERTIFICATE-----\s(.+?)-----END CERTIFICATE-----", pem, re.DOTALL)
    if found is None:
        raise ValueError("no certificate")
    whole = binascii.a2b_base64(found[1])
    signed = _parts(_parts(whole, _SEQUENCE)[0][1])
    if signed[0][0] == _VERSION:
        del signed[0]
    _serial, _algorithm, _issuer, validity = signed[:4]
    kind, text = _parts(validity[1])[1]
    pattern = "%y%m%d%H%M%SZ" if kind == _UTC_TIME else "%Y%m%d%H%M%SZ"
    return datetime.strptime(text.decode("ascii"), pattern).replace(tzinfo=UTC).timestamp()


def _parts(data: bytes, wanted: int | None = None) -> list[tuple[int, bytes]]:
    """(tag, content) of the elements in `data` one after another (X.690 section 8.1). `wanted`: of the first alone, which must be that and is opened."""
    found, at = [], 0
    while at < len(data):
        tag, size = data[at], data[at + 1]
        at += 2
        if size & 0x80:
            count = size & 0x7F
            size, at = int.from_bytes(data[at : at + count], "big"), at + count
        content = data[at : at + size]
        if len(content) < size:
            raise ValueError("cut off")
        at += size
        if wanted is not None:
            if tag != wanted:
                raise ValueError("not what was expected")
            return _parts(content)
        found.append((tag, content))
    return found
