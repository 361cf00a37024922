"""The certificates the box shows to browsers and phones: what each says, and the site's own in their place (`tls/own.pem`: the chain and its key in one file,
so that no moment has one without the other).
"""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.errors import DocumentError, NotFound, Problem
from appliance.site import files

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

OWN = "own.pem"
USES = ("web", "sip")
"""Browsers and programs; phones that use SIP over TLS."""
LARGEST = 64 * 1024
"""Characters of a chain or a key."""
SOON = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a certificate says. `names`: DNS names and addresses it is good for. `fingerprint`: SHA-256 of it, as browsers show it. `own`: the site's, not the
    box's. `issuer`: who vouches for it, "" where nobody does but itself.
    """

    use: str
    own: bool
    names: tuple[str, ...]
    subject: str
    issuer: str
    begins_unix_s: float
    ends_unix_s: float
    fingerprint: str
    key: str

    def state(self, now_unix_s: float) -> str:
        """ "good", "soon" (it ends within a month), "over" or "early"."""
        if now_unix_s >= self.ends_unix_s:
            return "over"
        if now_unix_s < self.begins_unix_s:
            return "early"
        return "soon" if self.ends_unix_s - now_unix_s < SOON.total_seconds() else "good"

    def as_dict(self) -> dict[str, Any]:
        """JSON shape."""
        return {
            "use": self.use, "own": self.own, "names": list(self.names), "subject": self.subject, "issuer": self.issuer, "begins_unix_s": self.begins_unix_s,
            "ends_unix_s": self.ends_unix_s, "fingerprint": self.fingerprint, "key": self.key,
        }  # fmt: skip


def served(data: Path, use: str) -> tuple[Path, Path]:
    """(certificate, key) to serve: the site's own where there is one, else the box's."""
    folder = data / "tls"
    own = folder / OWN
    return (own, own) if own.is_file() else (folder / f"{use}.crt", folder / f"{use}.key")


def shown(data: Path) -> dict[str, Shown]:
    """Use -> what is served for it; a use whose certificate was never made is left out. Raises StateError, DocumentError for a file nobody can read."""
    found = {}
    for use in USES:
        certificate, _ = served(data, use)
        with files.translated(f"read {certificate}"), contextlib.suppress(FileNotFoundError):
            found[use] = _shown(use, certificate.name == OWN, _chain(certificate.read_bytes().decode("utf-8", "replace"))[0])
    return found


def install(data: Path, chain: str, key: str, now_unix_s: float) -> Shown:
    """Serve the certificates `chain` (the box's first, then those that vouch for it) with the private `key`, both PEM. Raises DocumentError with every mistake:
    then nothing is changed.
    """
    first, pem = _checked(chain, key, now_unix_s)
    folder = data / "tls"
    with files.locked(folder, "the folder of certificates"):
        files.write(folder / OWN, pem)
    return _shown("web", True, first)


def reset(data: Path) -> None:
    """Serve the box's own certificates again. Raises NotFound where nothing else is served."""
    own = data / "tls" / OWN
    with files.translated(f"remove {own}"):
        try:
            own.unlink()
        except FileNotFoundError:
            raise NotFound("The box serves its own certificates", "there is nothing to take away") from None
        files.sync_folder(own.parent)


# ---- checking ----------------------------------------------------------------------------------------------------


def _checked(chain: str, key: str, now_unix_s: float) -> tuple[Certificate, bytes]:
    """The box's certificate, and what is written."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415  (8 MB that a box rarely needs)

    problems: list[Problem] = []
    certificates: list[Certificate] = []
    private: Any = None
    try:
        certificates = _chain(chain)
    except DocumentError as error:
        problems += error.problems
    try:
        private = _key(key or chain)
    except DocumentError as error:
        problems += error.problems
    if problems:
        raise DocumentError("This certificate cannot be used", tuple(problems))
    first = certificates[0]
    problems += _findings(certificates, private, now_unix_s)
    if problems:
        raise DocumentError("This certificate cannot be used", tuple(problems))
    encoding = serialization.Encoding.PEM
    secret = private.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return first, b"".join([*(each.public_bytes(encoding) for each in certificates), secret])


def _chain(text: str) -> list[Certificate]:
    from cryptography import x509  # noqa: PLC0415
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415

    if len(text) > LARGEST:
        raise _wrong("certificate", "is too large for a certificate", f"at most {LARGEST // 1024} kB: choose the file with the certificates alone")
    if "-----BEGIN CERTIFICATE-----" not in text:
        hint = "it is the file that begins with -----BEGIN CERTIFICATE-----"
        raise _wrong("certificate", "is not a certificate in PEM", f"this is a key: {hint}" if "PRIVATE KEY-----" in text else hint)
    try:
        found = x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        raise _wrong("certificate", "is damaged", "copy it whole, from BEGIN to END") from None
    try:
        for each in found:  # both are read on demand
            each.public_key(), each.extensions
    except (UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        raise _wrong("certificate", "has a key or an extension that is not known", "get one with an RSA or EC key from who issues it") from None
    return found


def _key(text: str) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    if len(text) > 2 * LARGEST or "PRIVATE KEY-----" not in text:
        raise _wrong("key", "is not a private key in PEM", "it is the file that begins with -----BEGIN PRIVATE KEY-----")
    try:
        begin = text.index("-----BEGIN", max(0, text.index("PRIVATE KEY-----") - 40))
        return serialization.load_pem_private_key(text[begin:].encode(), None)
    except TypeError:
        raise _wrong("key", "is locked with a passphrase", "take it off first: openssl pkey -in key.pem -out open.pem") from None
    except (ValueError, UnsupportedAlgorithm):
        raise _wrong("key", "is damaged, or of a kind that is not known", "copy it whole, from BEGIN to END; RSA and EC keys are taken") from None


def _findings(certificates: list[Certificate], private: Any, now_unix_s: float) -> list[Problem]:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: PLC0415

    first = certificates[0]
    found: list[Problem] = []
    form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    if not isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        found.append(Problem("key", "is of a kind that many phones do not know", "use an RSA key of 2048 bits or more, or an EC key"))
    elif isinstance(private, rsa.RSAPrivateKey) and private.key_size < 2048:
        found.append(Problem("key", f"has {private.key_size} bits, which browsers refuse", "use an RSA key of 2048 bits or more, or an EC key"))
    mine = private.public_key().public_bytes(*form)
    if first.public_key().public_bytes(*form) != mine:
        later = any(each.public_key().public_bytes(*form) == mine for each in certificates[1:])
        hint = "put the box's own certificate first, then those that vouch for it" if later else "use the key this certificate was asked for with"
        found.append(Problem("key", "does not belong to the first certificate", hint))
    now = datetime.fromtimestamp(now_unix_s, UTC)
    if first.not_valid_after_utc <= now:
        found.append(Problem("certificate", f"has not counted since {first.not_valid_after_utc:%Y-%m-%d}", "get a new one from who issued it"))
    elif first.not_valid_before_utc > now + timedelta(days=1):
        found.append(Problem("certificate", f"does not count before {first.not_valid_before_utc:%Y-%m-%d}", "see whether the clock of the box is right"))
    if not _names(first):
        found.append(Problem("certificate", "names no host and no address", "it needs a subject alternative name: browsers look at nothing else"))
    for below, above in itertools.pairwise(certificates):
        try:
            below.verify_directly_issued_by(above)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            what = _subject(below)
            found.append(Problem("certificate", f"has a chain that breaks behind {what}", "each certificate is followed by the one that vouches for it"))
            break
    return found


def _wrong(path: str, sentence: str, hint: str) -> DocumentError:
    return DocumentError("This certificate cannot be used", (Problem(path, sentence, hint),))


# ---- reading -----------------------------------------------------------------------------------------------------


def _shown(use: str, own: bool, held: Certificate) -> Shown:
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: PLC0415

    key = held.public_key()
    kind = f"RSA {key.key_size}" if isinstance(key, rsa.RSAPublicKey) else f"EC {key.key_size}" if isinstance(key, ec.EllipticCurvePublicKey) else "other"
    issuer = "" if held.issuer == held.subject else _name(held.issuer)
    begins, ends = held.not_valid_before_utc.timestamp(), held.not_valid_after_utc.timestamp()
    return Shown(use, own, _names(held), _subject(held), issuer, begins, ends, held.fingerprint(hashes.SHA256()).hex(":").upper(), kind)


def _names(held: Certificate) -> tuple[str, ...]:
    from cryptography import x509  # noqa: PLC0415

    try:
        names = held.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return (*names.get_values_for_type(x509.DNSName), *(str(ip) for ip in names.get_values_for_type(x509.IPAddress)))


def _subject(held: Certificate) -> str:
    return _name(held.subject) or next(iter(_names(held)), "a certificate without a name")


def _name(name: Any) -> str:
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        for attribute in name.get_attributes_for_oid(kind):
            return str(attribute.value)
    return ""


def covers(held: Shown, host: str) -> bool:
    """Whether a browser that asked for `host` (a name or an address) takes the certificate for the right one."""
    word = host.strip("[]").lower()
    try:
        word = str(ip_address(word))
    except ValueError:
        parent = word.partition(".")[2]
        return any(name.lower() == word or (name.startswith("*.") and name[2:].lower() == parent and parent) for name in held.names)
    return word in held.names
