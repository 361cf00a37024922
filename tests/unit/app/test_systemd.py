"""What is sent to systemd, and that nothing is where it did not start the process."""

import os
import socket

import pytest

from appliance.app.systemd import Service


def test_nothing_is_sent_where_systemd_is_not_the_parent(tmp_path):
    service = Service({"WATCHDOG_USEC": "1000"})
    service.ready()
    service.beat(0.0)
    assert service.due_s == float("inf")
    Service({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready()


@pytest.mark.parametrize("abstract", [True, False])
def test_it_beats_thrice_in_the_limit(tmp_path, monkeypatch, abstract):
    monkeypatch.chdir(tmp_path)
    name = f"@holdfast-test-{os.getpid()}" if abstract else "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind("\0" + name[1:] if abstract else name)
        notify.setblocking(False)
        service = Service({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())})
        for now in (100.0, 101.0, 109.9, 110.0):
            service.beat(now)
        service.status("all is well")
        assert [notify.recv(99) for _ in range(3)] == [b"WATCHDOG=1", b"WATCHDOG=1", b"STATUS=all is well"]
        assert service.due_s == 120.0
        with pytest.raises(BlockingIOError):
            notify.recv(99)


@pytest.mark.parametrize("wrong", [{"WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "0"}])
def test_a_watchdog_meant_for_another_is_not_fed(wrong):
    assert Service({"NOTIFY_SOCKET": "/none", "WATCHDOG_USEC": "30000000", **wrong}).due_s == float("inf")
