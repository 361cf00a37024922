"""The certificates SIP over TLS and the web start with: made once, self-signed, kept in the data folder, replaceable by the site's own."""

from __future__ import annotations

import asyncio
import os
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from appliance.site.certificate import OWN

LIFETIME = timedelta(days=3650)
ACCEPT_S = 2.0


def ensure_certificate(folder: Path, names: tuple[str, ...], addresses: tuple[str, ...], *, file: str = "sip") -> tuple[Path, Path]:
    """(certificate, key): `file`.crt and .key (PEM) in `folder`, made when one is missing; the key is readable by its owner alone. Raises OSError."""
    certificate, key = folder / f"{file}.crt", folder / f"{file}.key"
    if certificate.exists() and key.exists():
        return certificate, key
    # Needed once in the life of a box, and 8 MB if it stays loaded.
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    alternatives = [*(x509.DNSName(name) for name in names), *(x509.IPAddress(ip_address(ip)) for ip in addresses)]
    # A box without a battery clock may believe any date: begin well before now.
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, datetime(2024, 1, 1, tzinfo=UTC)))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(private, hashes.SHA256())
    )
    _write(key, private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    _write(certificate, made.public_bytes(serialization.Encoding.PEM))
    return certificate, key


def sip_certificate(data: Path, names: tuple[str, ...], addresses: tuple[str, ...]) -> Path:
    """What SIP over TLS serves, certificate and key in one file that stays at its place: a copy of the site's own where that can be used, else the box's.

    Raises OSError.
    """
    folder = data / "tls"
    certificate, key = ensure_certificate(folder, names, addresses)
    own = folder / OWN
    content = own.read_bytes() if own.is_file() and usable(own, own) else certificate.read_bytes() + key.read_bytes()
    used = folder / "sip.pem"
    if not used.is_file() or used.read_bytes() != content:
        _write(used, content)
    return used


def usable(certificate: Path, key: Path) -> bool:
    """Whether TLS can be spoken with these: they were checked when they came, and a disk may have damaged them since."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError):
        return False
    return True


async def accepts(ip: str, port: int) -> bool:
    """Whether a connection to a port of the box's own is taken."""
    try:
        async with asyncio.timeout(ACCEPT_S):
            _, writer = await asyncio.open_connection(ip, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def _write(path: Path, data: bytes) -> None:
    partial = path.with_suffix(path.suffix + ".part")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())
    partial.replace(path)
