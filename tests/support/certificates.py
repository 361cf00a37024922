"""Certificates for tests: one that vouches, and what it issues."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Key = Any
PEM = serialization.Encoding.PEM


def new_key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: Key, passphrase: bytes = b"") -> str:
    how = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, how).decode()


class Issuer:
    """`.issue("pbx.example.com", "192.168.1.5") -> (certificate PEM, key)`; `.pem`: its own certificate."""

    def __init__(self, name: str = "Tests") -> None:
        self.key = new_key()
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = _made(self.name, self.name, self.key, self.key, (), 0, 365, True)
        self.pem = self.certificate.public_bytes(PEM).decode()

    def issue(self, *names: str, begins_days: int = -1, days: int = 90, key: Key = None) -> tuple[str, Key]:
        own = key if key is not None else new_key()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])] if names else [])
        return _made(subject, self.name, own, self.key, names, begins_days, days, False).public_bytes(PEM).decode(), own


def _made(subject: x509.Name, issuer: x509.Name, key: Key, by: Key, names: tuple[str, ...], begins: int, days: int, ca: bool) -> x509.Certificate:
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key()).serial_number(x509.random_serial_number())
    made = made.not_valid_before(now + timedelta(days=begins)).not_valid_after(now + timedelta(days=begins + days))
    made = made.add_extension(x509.BasicConstraints(ca, None), critical=True)
    if names:
        made = made.add_extension(x509.SubjectAlternativeName([_name(each) for each in names]), critical=False)
    return made.sign(by, hashes.SHA256())


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def trusting(issuer: Issuer) -> ssl.SSLContext:
    """What a client uses that trusts `issuer` alone."""
    return ssl.create_default_context(cadata=issuer.pem)


def presented(port: int, context: ssl.SSLContext | None = None, name: str = "127.0.0.1", keep: bool = False) -> Any:
    """The fingerprint of what is served at `port` to a TLS client (checked by `context`, where one is given); with `keep` (it, the open socket)."""
    if context is None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    peer = context.wrap_socket(socket.create_connection(("127.0.0.1", port), 10.0), server_hostname=name)
    der = peer.getpeercert(binary_form=True)
    assert der is not None
    found = x509.load_der_x509_certificate(der).fingerprint(hashes.SHA256()).hex(":").upper()
    if keep:
        return found, peer
    peer.close()
    return found
