"""The line between a child and the supervisor."""

import itertools
import json
import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.app.child import READY_FD, ParentLink, Reader, Ready, Refused
from appliance.errors import SettingsError
from appliance.types import Address, Transport


@pytest.fixture
def pipe():
    read_end, write_end = os.pipe()
    yield read_end, write_end
    os.close(read_end)
    os.close(write_end)


def test_what_the_child_writes_the_supervisor_reads(pipe):
    read_end, write_end = pipe
    link = ParentLink.from_env({READY_FD: str(write_end)})
    link.beat()
    link.ready([Address("192.168.1.5", 5060), Address("fd00::1", 5061, Transport.TLS)], revision=7)
    link.beat()
    assert link.refuse(SettingsError("It is so", "do this")) == 1
    reader = Reader()
    assert reader.feed(os.read(read_end, 65536)) == [Ready(("udp:192.168.1.5:5060", "tls:[fd00::1]:5061"), 7), Refused("It is so", "do this")]


def test_without_a_supervisor_a_refusal_goes_to_stderr(capsys):
    link = ParentLink.from_env({})
    link.ready([])
    link.beat()
    assert link.refuse(SettingsError("It is so", "do this")) == 1
    assert capsys.readouterr().err == "holdfast: It is so.\n  hint: do this\n"


@pytest.mark.parametrize("value", ["", "x", "-1", "99999"])
def test_a_broken_descriptor_is_as_good_as_none(value):
    ParentLink.from_env({READY_FD: value}).beat()


def test_a_full_pipe_does_not_block_the_child(pipe):
    link = ParentLink.from_env({READY_FD: str(pipe[1])})
    started = time.monotonic()
    for _ in range(200_000):  # three times what a pipe holds
        link.beat()
    assert time.monotonic() - started < 30


MESSAGE = b"..READY " + json.dumps({"sip": ["udp:127.0.0.1:5060"], "revision": 2}).encode() + b"\n...FAILED {}\n.."


@given(cuts=st.lists(st.integers(0, len(MESSAGE)), max_size=12))
def test_messages_may_arrive_in_any_pieces(cuts):
    reader, found = Reader(), []
    edges = [0, *sorted(cuts), len(MESSAGE)]
    for start, end in itertools.pairwise(edges):
        found += reader.feed(MESSAGE[start:end])
    assert found == [Ready(("udp:127.0.0.1:5060",), 2), Refused("It gave no reason", "")]


@given(st.binary(max_size=300))
def test_nonsense_is_only_a_sign_of_life(data):
    for message in Reader().feed(data + b"\n"):
        assert isinstance(message, Ready | Refused)


def test_heartbeats_and_endless_lines_do_not_pile_up():
    reader = Reader()
    for _ in range(100):
        reader.feed(b"." * 1000)
        reader.feed(b"x" * 1000)
    assert len(reader._buffer) <= 66_000
