"""The site's own certificate: what is refused and why, what is written, and what it says."""

import base64
import stat
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from appliance.errors import DocumentError, NotFound
from appliance.site.certificate import OWN, covers, install, reset, served, shown
from tests.support.certificates import Issuer, key_pem, new_key


@pytest.fixture(scope="module")
def issuer():
    return Issuer()


def refusals(tmp_path, chain, key, now=None):
    with pytest.raises(DocumentError) as caught:
        install(tmp_path, chain, key, now or time.time())
    assert not (tmp_path / "tls" / OWN).exists()
    return {problem.path: f"{problem.sentence}; {problem.hint}" for problem in caught.value.problems}


def test_a_good_one_is_kept_in_one_file_that_only_its_owner_reads(tmp_path, issuer):
    pem, key = issuer.issue("pbx.example.com", "192.168.1.5", "*.office.example.com")
    made = install(tmp_path, pem + issuer.pem, key_pem(key), time.time())
    own = tmp_path / "tls" / OWN
    assert stat.S_IMODE(own.stat().st_mode) == 0o600
    assert own.read_text().count("BEGIN CERTIFICATE") == 2
    assert served(tmp_path, "web") == served(tmp_path, "sip") == (own, own)
    assert (made.names, made.issuer, made.key) == (("pbx.example.com", "*.office.example.com", "192.168.1.5"), "Tests", "EC 256")
    assert shown(tmp_path)["sip"].fingerprint == made.fingerprint
    assert [made.state(made.ends_unix_s + at) for at in (-86400 * 60, -86400, 1)] == ["good", "soon", "over"]
    for host, fits in (
        ("pbx.example.com", True), ("PBX.example.com", True), ("a.office.example.com", True), ("b.a.office.example.com", False),
        ("192.168.1.5", True), ("192.168.1.6", False), ("example.com", False),
    ):  # fmt: skip
        assert covers(made, host) is fits, host
    reset(tmp_path)
    assert served(tmp_path, "web")[0].name == "web.crt"
    with pytest.raises(NotFound):
        reset(tmp_path)


def test_the_key_may_stand_in_the_same_file_in_any_order(tmp_path, issuer):
    pem, key = issuer.issue("pbx.example.com")
    for text in (pem + key_pem(key), key_pem(key) + pem):
        assert install(tmp_path, text, "", time.time()).own


def test_what_is_no_certificate_or_key(tmp_path, issuer):
    pem, key = issuer.issue("pbx.example.com")
    assert "is not a certificate" in refusals(tmp_path, "hello", "")["certificate"]
    found = refusals(tmp_path, key_pem(key), pem)  # mixed up
    assert "this is a key" in found["certificate"]
    assert "is not a private key" in found["key"]
    assert "is damaged" in refusals(tmp_path, pem.replace("M", "#"), key_pem(key))["certificate"]
    assert "is damaged" in refusals(tmp_path, pem, key_pem(key).replace("M", "!"))["key"]
    assert "locked with a passphrase" in refusals(tmp_path, pem, key_pem(key, b"secret"))["key"]
    assert "too large" in refusals(tmp_path, pem * 200, key_pem(key))["certificate"]
    assert "is damaged" in refusals(tmp_path, pem, "PRIVATE KEY-----")["key"]  # without its beginning
    assert "\x00" not in str(refusals(tmp_path, "\x00" + pem[:100], "é"))


def test_a_key_that_does_not_belong_to_it(tmp_path, issuer):
    pem, key = issuer.issue("pbx.example.com")
    assert "does not belong" in refusals(tmp_path, pem, key_pem(new_key()))["key"]
    assert "own certificate first" in refusals(tmp_path, issuer.pem + pem, key_pem(key))["key"]
    weak = rsa.generate_private_key(65537, 1024)
    assert "1024 bits" in refusals(tmp_path, issuer.issue("a.example", key=weak)[0], key_pem(weak))["key"]
    odd = ed25519.Ed25519PrivateKey.generate()
    assert "many phones do not know" in refusals(tmp_path, issuer.issue("a.example", key=odd)[0], key_pem(odd))["key"]


def test_dates_names_and_chain(tmp_path, issuer):
    for given, said in (({"begins_days": -20, "days": 10}, "has not counted since"), ({"begins_days": 5}, "does not count before")):
        pem, key = issuer.issue("pbx.example.com", **given)
        assert said in refusals(tmp_path, pem, key_pem(key))["certificate"]
    pem, key = issuer.issue()
    assert "names no host" in refusals(tmp_path, pem, key_pem(key))["certificate"]
    pem, key = issuer.issue("pbx.example.com")
    assert "breaks behind pbx.example.com" in refusals(tmp_path, pem + Issuer("Others").pem, key_pem(key))["certificate"]


def test_a_key_or_an_extension_that_is_not_known(tmp_path, issuer):
    key = new_key()
    der = x509.load_pem_x509_certificate(issuer.issue("pbx.example.com", key=key)[0].encode()).public_bytes(serialization.Encoding.DER)
    # The OID of the public key (id-ecPublicKey), and that of the alternative names, which becomes that of the basic constraints.
    unknown = der.replace(bytes.fromhex("06072a8648ce3d0201"), bytes.fromhex("06072a8648ce3d027f"))
    twice = der.replace(bytes.fromhex("0603551d11"), bytes.fromhex("0603551d13"))
    for changed in (unknown, twice):
        assert changed != der
        pem = f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(changed).decode()}-----END CERTIFICATE-----\n"
        assert "is not known" in refusals(tmp_path, pem, key_pem(key))["certificate"]
