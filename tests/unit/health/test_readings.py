"""Readings of this very machine, and of made-up ones: clock, certificates, board, data folder."""

import os
import time
from datetime import UTC, datetime, timedelta

import pytest

from appliance.app.certificate import LIFETIME, ensure_certificate
from appliance.health import certificates, clock
from appliance.health.machine import machine
from appliance.health.sampler import Sampler


@pytest.fixture
def data(tmp_path):
    (tmp_path / "run").mkdir()
    return tmp_path


def test_a_sample_of_this_machine_holds_together(data):
    ensure_certificate(data / "tls", ("box.test",), ("127.0.0.1",), file="web")
    sampler = Sampler(data)
    sampler.sample()
    found = sampler.sample()
    assert 0 <= found.busy <= 1 and len(found.load) == 3 and found.cores >= 1
    assert 0 < found.memory_available <= found.memory_total
    assert 0 < found.disk_free <= found.disk_total
    assert abs(found.at_unix_s - time.time()) < 60 and found.machine_uptime_s > 0
    assert found.write_fault == "" and list((data / "run").iterdir()) == []
    (own,) = found.processes
    assert (own.name, own.pid) == ("engine", os.getpid())
    assert own.memory_bytes > 1_000_000 and 0 < own.handles <= own.most_handles and own.threads >= 1
    (ends,) = found.certificates
    assert ends.file == "web.crt"
    assert ends.ends_unix_s == pytest.approx((datetime.now(UTC) + LIFETIME).timestamp(), abs=120)


def test_a_supervisor_and_its_children_are_the_boxs_processes(data):
    (data / "run" / "supervisor.json").write_text(f'{{"pid": {os.getppid()}, "children": {{"engine": {{"pid": {os.getpid()}}}}}}}')
    names = {process.pid: process.name for process in Sampler(data).sample().processes}
    assert names[os.getpid()] == "engine"
    assert names[os.getppid()] == "supervisor"
    for text in ("", "[]", '{"pid": 1}', f'{{"pid": {os.getppid()}, "children": 5}}'):
        (data / "run" / "supervisor.json").write_text(text)
        assert Sampler(data).sample().processes[0].name == "engine", "nonsense is nothing"


def test_a_data_folder_that_cannot_be_written_is_told(data):
    sampler = Sampler(data)
    (data / "run").rename(data / "gone")
    assert sampler.sample().write_fault == "No such file or directory"
    (data / "gone").rename(data / "run")
    assert sampler.sample().write_fault == "", "it is tried again at once, for somebody waits for it"


@pytest.mark.row("Z10")
def test_trust_in_the_clock(tmp_path):
    unsynchronised, fine = 0x40, 0x2001
    assert clock.trust(fine, tmp_path) == "set"
    assert clock.trust(unsynchronised, tmp_path) == "never"
    assert clock.trust(None, tmp_path) == "unknown"
    mark = tmp_path / "run" / "systemd" / "timesync" / "synchronized"
    mark.parent.mkdir(parents=True)
    mark.touch()
    assert clock.trust(unsynchronised, tmp_path) == clock.trust(None, tmp_path) == "was-set"
    status = clock.kernel_status()
    assert status is None or status >= 0


def test_the_end_of_a_certificate_is_what_the_library_says(tmp_path):
    from cryptography import x509

    path, _ = ensure_certificate(tmp_path, ("box.test",), ("127.0.0.1",))
    said = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    assert certificates.ends_unix_s(path.read_text()) == said.timestamp()
    chain = path.read_text() + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    assert certificates.ends_unix_s(chain) == said.timestamp(), "the first is the server's own"


def test_a_certificate_beyond_2049_has_another_form(tmp_path, monkeypatch):
    monkeypatch.setattr("appliance.app.certificate.LIFETIME", timedelta(days=30 * 365))
    path, _ = ensure_certificate(tmp_path, ("box.test",), ())
    assert certificates.ends_unix_s(path.read_text()) > datetime(2050, 1, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("body", [None, "nonsense", "MIIB", "!!!", "MAMCAQE="])
def test_what_is_no_certificate_ends_never_and_breaks_nothing(body):
    text = "" if body is None else f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----"
    assert certificates.read("web.crt", text).ends_unix_s is None


def test_a_board_says_what_it_is(tmp_path):
    assert machine(tmp_path).board == ""
    (tmp_path / "sys" / "class" / "dmi" / "id").mkdir(parents=True)
    (tmp_path / "sys" / "class" / "dmi" / "id" / "sys_vendor").write_text("Acme\n")
    (tmp_path / "sys" / "class" / "dmi" / "id" / "product_name").write_text("Box 5\n")
    assert machine(tmp_path).board == "Acme Box 5"
    (tmp_path / "proc" / "device-tree").mkdir(parents=True)
    (tmp_path / "proc" / "device-tree" / "model").write_bytes(b"Raspberry Pi 4 Model B Rev 1.4\0")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "os-release").write_text('NAME=x\nPRETTY_NAME="Debian GNU/Linux 12"\n')
    found = machine(tmp_path)
    assert (found.board, found.system) == ("Raspberry Pi 4 Model B Rev 1.4", "Debian GNU/Linux 12")
    assert found.cores >= 1 and found.kernel and found.python
