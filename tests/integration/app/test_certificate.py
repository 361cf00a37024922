"""The site's own certificate on a running box: browsers and phones see it at once, nobody is disconnected, and there is a way back."""

import json
import ssl
import threading

import pytest

from tests.support.api import Api, refused
from tests.support.certificates import Issuer, key_pem, new_key, presented, trusting
from tests.support.proc import wait_until
from tests.support.sites import secret
from tests.support.web import INSTALLER, Visitor, Web, office


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    with Web(tmp_path_factory.mktemp("certificate"), office(), engine=True) as made:
        yield made


@pytest.fixture(scope="module")
def issuer():
    return Issuer()


def served(web):
    return presented(web.port), presented(web.box.tls_port)


def test_by_api_for_pages_and_phones_and_back(web, issuer):
    before = served(web)
    kept, peer = presented(web.box.tls_port, keep=True)
    assert kept == before[1]
    with Api(web) as api:
        pem, key = issuer.issue("127.0.0.1", "pbx.example.com")
        refused(api.put("/certificate", {"certificate": pem, "key": key_pem(new_key())}), 422)
        assert served(web) == before
        answer = api.ok("PUT", "/certificate", {"certificate": pem, "key": key_pem(key)})
        assert answer["sip_renewed"] is True
        assert {each["use"]: each["own"] for each in answer["certificates"]} == {"web": True, "sip": True}
        # Clients that trust the issuer alone now trust both, by address and by name.
        told = {each["fingerprint"] for each in api.get("/certificate").json()["certificates"]}
        for port in (web.port, web.box.tls_port):
            assert {presented(port, trusting(issuer), name) for name in ("127.0.0.1", "pbx.example.com")} == told
            with pytest.raises(ssl.SSLCertVerificationError):
                presented(port, trusting(issuer), "other.example.com")
        # A connection from before goes on: the box answers on it.
        peer.sendall(_options(web))
        assert peer.recv(4000).startswith(b"SIP/2.0 ")
        peer.close()
        assert api.ok("DELETE", "/certificate")["sip_renewed"] is True
        assert served(web) == before
        refused(api.delete("/certificate"), 404)


def test_again_and_again_while_phones_connect(web, issuer):
    pairs = [issuer.issue("127.0.0.1") for _ in range(4)]
    stop, seen, faults = threading.Event(), set(), []

    def look():
        while not stop.is_set():
            try:
                seen.add(presented(web.box.tls_port))
            except ConnectionRefusedError:
                pass  # the moment in which it is opened anew
            except OSError as error:
                faults.append(error)

    looker = threading.Thread(target=look)
    looker.start()
    try:
        with Api(web) as api:
            told = []
            for pem, key in pairs:
                told += [each["fingerprint"] for each in api.ok("PUT", "/certificate", {"certificate": pem, "key": key_pem(key)})["certificates"]]
                wait_until(lambda told=told: told[-1] in seen, 10.0, "a phone that sees it")
            api.ok("DELETE", "/certificate")
    finally:
        stop.set()
        looker.join()
    assert set(told) <= seen
    assert not [fault for fault in faults if not isinstance(fault, ConnectionResetError)]


def test_a_call_over_tls_goes_on(web, issuer, phone):
    a, b = phone("a"), phone("b")
    assert a.register("201", secret(201), web.box.tls, transport="tls").ok
    assert b.register("202", secret(202), web.box.tls, transport="tls").ok
    call = a.call(web.box.uri("202") + ";transport=tls")
    other = b.incoming()
    call.wait("CONFIRMED")
    pem, key = issuer.issue("127.0.0.1")
    with Api(web) as api:
        assert api.ok("PUT", "/certificate", {"certificate": pem, "key": key_pem(key)})["sip_renewed"] is True
        assert presented(web.box.tls_port) == presented(web.port)
        call.wait_heard(call.stats()["rx"] + 25)
        assert len(web.box.calls()) == 1
        call.hangup(200)
        other.wait("DISCONNECTED")
        api.ok("DELETE", "/certificate")


def test_by_page(web, issuer):
    visitor = Visitor(web)
    visitor.sign_in()
    before, page = served(web), "/settings/certificate"
    assert before[0] in visitor.get(page).text
    assert before[1] in visitor.get(page).text
    pem, key = issuer.issue("pbx.example.com")
    answer = visitor.post(page, {"certificate-text": pem, "key-text": key_pem(new_key())})
    assert answer.status == 422
    assert "Does not belong to the first certificate" in answer.text
    assert pem.splitlines()[1] in answer.text  # not lost
    assert key_pem(key).splitlines()[1] not in answer.text
    for wrong in ("", "hello", "<script>alert(1)</script>" * 9000):
        assert "Is not a certificate in PEM" in (text := visitor.post(page, {"certificate-text": wrong, "key-text": ""}).text) or "Is too large" in text
    assert served(web) == before
    assert visitor.post(page, {"certificate-text": pem, "key-text": key_pem(key)}).status == 303
    shown = visitor.get(page).text
    assert served(web) == (presented(web.port),) * 2 != before
    assert presented(web.port) in shown
    assert "not for 127.0.0.1" in shown  # a browser at this address would warn
    assert visitor.post(f"{page}/reset", {}, page=page).status == 303
    assert served(web) == before


def test_by_command_line_which_says_what_a_browser_shows(web, issuer, tmp_path):
    pem, key = issuer.issue("127.0.0.1", begins_days=-80)
    (tmp_path / "chain.pem").write_text(pem + issuer.pem)
    (tmp_path / "key.pem").write_text(key_pem(key))
    said = web.cli("certificate", "install", str(tmp_path / "chain.pem"), "--key", str(tmp_path / "key.pem"))
    assert presented(web.port) in said
    assert "which is soon" in said
    assert "calls go on" in said
    assert presented(web.box.tls_port) == presented(web.port)
    assert json.loads(web.cli("certificate", "show", "--json"))["certificates"][0]["issuer"] == "Tests"
    assert presented(web.port) not in web.cli("certificate", "reset") or served(web)[0] in web.cli("certificate", "show")


def test_a_damaged_file_does_not_keep_the_box_from_starting(web, issuer):
    pem, key = issuer.issue("127.0.0.1")
    with Api(web) as api:
        api.ok("PUT", "/certificate", {"certificate": pem, "key": key_pem(key)})
    (web.data / "tls" / "own.pem").write_text("damaged")
    web.stop()
    web.start()
    web.box.stop()
    web.box.start()
    assert len(set(served(web))) == 2  # each its own again
    (web.data / "tls" / "own.pem").unlink()


def test_it_is_for_administrators(web, issuer):
    ines = Visitor(web)
    ines.sign_in(INSTALLER)
    assert ines.get("/settings/certificate").status == 403
    csrf = ines.get("/settings/").csrf
    assert ines.ask("DELETE", "/api/v1/certificate", None, X_CSRF=csrf).status == 403
    with Api(web, "read", "write", "access") as api:
        refused(api.put("/certificate", {"certificate": "x"}), 403, "scope")


def _options(web):
    branch = "z9hG4bKcertificate"
    return (
        f"OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:9;branch={branch}\r\nFrom: <sip:x@127.0.0.1>;tag=1\r\nTo: <sip:127.0.0.1>\r\n"
        "Call-ID: certificate\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    ).encode()
