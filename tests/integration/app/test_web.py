"""The web process as it is served and supervised: TLS, plain HTTP, slow peers, and a box that goes on whatever happens to it."""

import http.client
import json
import os
import signal
import socket
import ssl
import time
from pathlib import Path

import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from appliance.app.certificate import ensure_certificate
from tests.support.box import Box
from tests.support.proc import wait_until
from tests.support.sites import make_site
from tests.support.web import Visitor, Web, office


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    with Web(tmp_path_factory.mktemp("web"), office()) as made:
        yield made


def peer_certificate(port: int) -> x509.Certificate:
    return x509.load_pem_x509_certificate(ssl.get_server_certificate(("127.0.0.1", port)).encode())


def children(box: Box) -> dict:
    return json.loads((box.data / "run" / "supervisor.json").read_text())["children"]


def health(port: int) -> int:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10.0, context=context)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def test_it_serves_https_with_the_boxes_own_certificate(web):
    assert "READY" in web.said
    made = peer_certificate(web.port)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert f"{socket.gethostname().partition('.')[0]}.local" in names.get_values_for_type(x509.DNSName)
    assert "127.0.0.1" in [str(ip) for ip in names.get_values_for_type(x509.IPAddress)]
    assert (web.data / "tls" / "web.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("request_", "location"),
    [
        (b"GET /people/?q=a HTTP/1.1\r\nHost: box.local:8080\r\n\r\n", "https://box.local:{port}/people/?q=a"),
        (b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "https://[::1]:{port}/"),
        (b"GET / HTTP/1.1\r\nHost: evil.example/x\r\n\r\n", "https://127.0.0.1:{port}/"),
        (b"GET //evil.example HTTP/1.1\r\n\r\n", "https://127.0.0.1:{port}//evil.example"),
        (b"\x00\xff nonsense\r\n\r\n", "https://127.0.0.1:{port}/"),
    ],
)
def test_plain_http_is_sent_on(web, request_, location):
    with socket.create_connection(("127.0.0.1", web.port), 10.0) as peer:
        peer.sendall(request_)
        answer = peer.makefile("rb").read().decode("latin-1")
    assert answer.startswith("HTTP/1.1 308 ")
    assert f"\r\nLocation: {location.format(port=web.port)}\r\n" in answer


def test_peers_that_say_nothing_or_little_hold_up_nobody(web):
    silent = [socket.create_connection(("127.0.0.1", web.port), 10.0) for _ in range(300)]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    slow = []
    for _ in range(30):
        peer = context.wrap_socket(socket.create_connection(("127.0.0.1", web.port), 10.0))
        peer.sendall(b"GET / HTTP/1.1\r\n")
        slow.append(peer)
    try:
        began = time.monotonic()
        assert health(web.port) == 200
        assert time.monotonic() - began < 5.0
    finally:
        for peer in (*silent, *slow):
            peer.close()


def test_a_request_that_is_too_large_is_refused(web):
    visitor = Visitor(web)
    visitor.sign_in()
    answer = visitor.ask("POST", "/people/new", {"csrf": visitor.get("/account").csrf, "name": "x" * 5_000_000})
    assert answer.status == 413
    assert "too large" in answer.text


def test_another_certificate_needs_no_restart(web, tmp_path):
    before = peer_certificate(web.port)
    certificate, key = ensure_certificate(tmp_path, ("pbx.example.org",), (), file="web")
    (web.data / "tls" / "web.key").write_bytes(key.read_bytes())
    (web.data / "tls" / "web.crt").write_bytes(certificate.read_bytes())
    assert peer_certificate(web.port).serial_number != before.serial_number
    # A pair that does not fit leaves what is there in force.
    good = peer_certificate(web.port)
    from cryptography.hazmat.primitives import serialization

    other = rsa.generate_private_key(65537, 2048)
    pem = other.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (web.data / "tls" / "web.key").write_bytes(pem)
    assert peer_certificate(web.port).serial_number == good.serial_number


def test_its_processes_have_no_privileges(web):
    assert web.program is not None
    worker = psutil.Process(web.program.pid).children()[0]
    for pid in (web.program.pid, worker.pid):
        status = Path(f"/proc/{pid}/status").read_text()
        assert "CapEff:\t0000000000000000" in status
        assert "NoNewPrivs:\t1" in status


def test_it_ends_at_once_although_pages_are_open(tmp_path):
    with Web(tmp_path, office()) as web:
        visitor = Visitor(web)
        visitor.sign_in()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", web.port, timeout=20.0, context=context)
        cookie = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
        connection.request("GET", "/events?g=bar", headers={"Cookie": cookie, "Accept": "text/event-stream"})
        assert connection.getresponse().readline() == b"retry: 2000\n"
        began = time.monotonic()
        assert web.stop() == 0
        assert time.monotonic() - began < 5.0


def test_a_port_in_use_is_refused_with_its_holder(tmp_path):
    with Web(tmp_path, office(), start=False) as web, socket.socket() as other:
        other.bind(("127.0.0.1", web.port))
        other.listen()
        web.start()
        assert "already in use by" in web.said["FAILED"]["sentence"]
        assert web.program.wait(10.0) == 1


def test_the_supervisor_says_where_to_point_a_browser_and_the_claim_code(tmp_path):
    with Box(tmp_path, make_site(2), supervised=True) as box:
        box.program.wait_for_line(rf"open in a browser +https://127\.0\.0\.1:{box.env['HOLDFAST_HTTP_PORT']}/", 40.0)
        line = box.program.wait_for_line(r"claim code +([A-Z2-9]{4}-[A-Z2-9]{4}) makes you the administrator")
        assert line[1] == (box.data / "web" / "claim").read_text().strip()
        assert health(int(box.env["HOLDFAST_HTTP_PORT"])) == 200


def test_a_web_that_cannot_start_is_a_line_and_no_end(tmp_path):
    box = Box(tmp_path, make_site(2), supervised=True, start=False)
    port = int(box.env["HOLDFAST_HTTP_PORT"])
    with box:
        with socket.socket() as other:
            other.bind(("127.0.0.1", port))
            other.listen()
            box.start()
            box.program.wait_for_line(r"web refused to start: Port \d+/tcp on 127\.0\.0\.1 is already in use", 40.0)
            box.program.wait_for_line(r"open in a browser +not running: Port \d+/tcp", 10.0)
            assert box.status()["mode"] == "normal"
            assert "already in use" in children(box)["web"]["complaint"]
        engine = box.pid()
        wait_until(lambda: children(box)["web"]["ready"], 90.0, "the web up once its port is free")
        assert health(port) == 200
        assert box.pid() == engine
        assert children(box)["web"]["complaint"] == ""


def test_a_web_that_dies_comes_back_and_takes_nothing_with_it(tmp_path):
    with Box(tmp_path, make_site(2), supervised=True) as box:
        port = int(box.env["HOLDFAST_HTTP_PORT"])
        wait_until(lambda: children(box)["web"]["ready"], 40.0, "the web ready")
        engine = box.pid()
        for _ in range(4):
            pid = children(box)["web"]["pid"]
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda pid=pid: children(box)["web"]["ready"] and children(box)["web"]["pid"] != pid, 60.0, "the web ready again")
        assert health(port) == 200
        assert box.pid() == engine
        # Its crashes never lead to rescue.
        assert box.status()["mode"] == "normal"
        assert children(box)["web"]["crashes"] == 4
        # The worker alone: gunicorn has a new one at once.
        worker = psutil.Process(children(box)["web"]["pid"]).children()[0].pid
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: not psutil.pid_exists(worker) and health(port) == 200, 30.0, "a new worker")


@pytest.mark.slow
def test_a_web_that_hangs_is_started_anew(tmp_path):
    with Box(tmp_path, make_site(2), supervised=True) as box:
        wait_until(lambda: children(box)["web"]["ready"], 40.0, "the web ready")
        pid = children(box)["web"]["pid"]
        for each in (*psutil.Process(pid).children(), psutil.Process(pid)):
            each.suspend()
        wait_until(lambda: children(box)["web"]["ready"] and children(box)["web"]["pid"] != pid, 90.0, "another web")
        assert box.said("web has given no sign of life for 3[0-9] s: killing it")
        assert box.status()["mode"] == "normal"
