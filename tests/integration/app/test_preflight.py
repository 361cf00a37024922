"""The data folder and the SIP ports before anything starts, with real files, locks and sockets."""

import os
import re
import socket
import subprocess
import sys

import pytest

from appliance.app.preflight import check_ports, claim_data_folder, port_holder
from appliance.app.settings import Settings
from appliance.errors import SettingsError
from tests.support.ports import free_run


def settings_for(tmp_path, bind=("127.0.0.1",)):
    port = free_run(2)
    return Settings(tmp_path, bind, tmp_path / "control.sock", sip_port=port, sip_tls_port=port + 1)


def test_the_folder_is_made_and_locked(tmp_path):
    folder = tmp_path / "a" / "b"
    lock = claim_data_folder(folder)
    assert (folder / "run").is_dir()
    with pytest.raises(SettingsError, match=rf"in use by another Holdfast \(process {os.getpid()}\)"):
        claim_data_folder(folder, wait_s=0.1)
    os.close(lock)
    os.close(claim_data_folder(folder, wait_s=0.0))
    assert list((folder / "run").iterdir()) == []


def test_a_box_that_is_just_going_is_waited_for(tmp_path):
    code = "import fcntl,sys,time; f=open(sys.argv[1],'w'); fcntl.flock(f,2); print('held',flush=True); sys.stdin.read(1)"
    with subprocess.Popen([sys.executable, "-c", code, tmp_path / "lock"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(SettingsError):
            claim_data_folder(tmp_path, wait_s=0.0)
        holder.stdin.close()
        os.close(claim_data_folder(tmp_path, wait_s=10.0))


@pytest.mark.parametrize("name", ["file", "file/below", "/proc/holdfast"])
def test_an_unusable_folder_is_one_sentence(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="cannot be used") as refusal:
        claim_data_folder(tmp_path / name)
    assert "HOLDFAST_DATA" in refusal.value.hint


def may_mount() -> bool:
    return subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode == 0


@pytest.mark.skipif(not may_mount(), reason="needs the right to mount")
def test_a_full_disk_is_no_reason_not_to_start_but_a_read_only_one_is(tmp_path):
    code = """
import errno, os, subprocess, sys
from pathlib import Path
from appliance.app.preflight import claim_data_folder
from appliance.errors import SettingsError
disk = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=6", "none", disk], check=True)
os.close(claim_data_folder(disk))
for n in range(9):
    try:
        (disk / f"filler{n}").write_bytes(b"x" * 65536)
    except OSError as error:
        assert error.errno == errno.ENOSPC
os.close(claim_data_folder(disk))
print("full: started")
subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
try:
    claim_data_folder(disk)
except SettingsError as error:
    print("read-only:", error)
"""
    command = ["unshare", "--mount", sys.executable, "-c", code, tmp_path]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    assert done.stdout.splitlines() == ["full: started", f"read-only: The data folder {tmp_path} cannot be used: Read-only file system"], done.stderr


def test_free_ports_pass_and_stay_free(tmp_path):
    settings = settings_for(tmp_path)
    check_ports(settings)
    check_ports(settings)


@pytest.mark.parametrize(("kind", "protocol", "offset"), [(socket.SOCK_DGRAM, "udp", 0), (socket.SOCK_STREAM, "tcp", 0), (socket.SOCK_STREAM, "tcp", 1)])
@pytest.mark.parametrize("taken", ["127.0.0.1", "0.0.0.0"])
def test_a_taken_port_is_named_with_its_holder(tmp_path, kind, protocol, offset, taken):
    settings = settings_for(tmp_path)
    port = settings.sip_port + offset
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind((taken, port))
        if kind == socket.SOCK_STREAM:
            other.listen()
        with pytest.raises(SettingsError, match=rf"Port {port}/{protocol} on 127.0.0.1 is already in use by .* \(process {os.getpid()}\)") as refusal:
            check_ports(settings, wait_s=0.0)
    assert ("HOLDFAST_SIP_TLS_PORT" if offset else "HOLDFAST_SIP_PORT") in refusal.value.hint


def test_the_same_port_on_another_address_is_another_boxs_business(tmp_path):
    settings = settings_for(tmp_path, ("127.0.0.1",))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.2", settings.sip_port))
        check_ports(settings, wait_s=0.0)
        assert port_holder("udp", "127.0.0.1", settings.sip_port) == ""


def test_an_address_of_another_machine_is_refused(tmp_path):
    with pytest.raises(SettingsError, match=re.escape("203.0.113.77 is not an address of this machine")) as refusal:
        check_ports(settings_for(tmp_path, ("127.0.0.1", "203.0.113.77")))
    assert "HOLDFAST_BIND" in refusal.value.hint
