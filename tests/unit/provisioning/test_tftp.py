"""TFTP packet by packet: options, windows, lost and doubled packets, nonsense; no sockets, no clock."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioning.tftp import ACCESS, ILLEGAL, NOT_FOUND, Refused, Request, Transfer, netascii, read_request


def rrq(name: str = "a.cfg", mode: str = "octet", *options: str, opcode: int = 1, end: bytes = b"\0") -> bytes:
    return struct.pack("!H", opcode) + "\0".join([name, mode, *options]).encode() + end


def ack(number: int) -> bytes:
    return struct.pack("!HH", 4, number & 0xFFFF)


def oack(packet: bytes) -> dict[str, str]:
    assert packet[:2] == b"\0\6"
    words = packet[2:].decode().split("\0")[:-1]
    return dict(zip(words[::2], words[1::2], strict=True))


def test_a_plain_request() -> None:
    request = read_request(rrq("/805ec0112233.boot"))
    assert request == Request("805ec0112233.boot", netascii=False, options={})


@pytest.mark.parametrize("end", [b"", b"\0", b"\0\0", b"\0\0\0"])
def test_ends_that_phones_write(end: bytes) -> None:
    request = read_request(rrq("a.cfg", "OCTET", "BLKSIZE", "1400", "multicast", "", end=end))
    assert request is not None and request.options["blksize"] == "1400"


@pytest.mark.parametrize(
    ("packet", "code"),
    [
        (rrq(opcode=2), ACCESS),
        (rrq(mode="mail"), ILLEGAL),
        (rrq(mode=""), ILLEGAL),
        (b"\0\1name", ILLEGAL),
        (rrq(""), NOT_FOUND),
        (rrq("///"), NOT_FOUND),
        (rrq("a\nb"), NOT_FOUND),
        (rrq("x" * 300), NOT_FOUND),
        (b"\0\1\xff\xfe\0octet\0", NOT_FOUND),
        (rrq("x" * 600), ILLEGAL),
    ],
)
def test_requests_that_are_refused(packet: bytes, code: int) -> None:
    with pytest.raises(Refused) as refused:
        read_request(packet)
    assert refused.value.packet()[:4] == struct.pack("!HH", 5, code)


@pytest.mark.parametrize("packet", [b"", b"\0", ack(1), struct.pack("!HH", 5, 0) + b"no\0", b"\0\3\0\1data", b"\xff\xff"])
def test_packets_that_get_no_answer(packet: bytes) -> None:
    assert read_request(packet) is None


@settings(deadline=None)
@given(st.binary(max_size=700))
def test_any_packet(packet: bytes) -> None:
    try:
        read_request(packet)
    except Refused as refused:
        assert refused.packet()


def request(**options: object) -> Request:
    return Request("a", netascii=False, options={name: str(value) for name, value in options.items()})


def test_options_are_granted_within_bounds() -> None:
    granted = oack(Transfer(b"x" * 3000, request(blksize=1400, tsize=0, timeout=3, windowsize=4)).start().packets[0])
    assert granted == {"blksize": "1400", "windowsize": "4", "timeout": "3", "tsize": "3000"}
    assert oack(Transfer(b"", request(windowsize=9999)).start().packets[0]) == {"windowsize": "64"}
    wrong = Transfer(b"abc", request(blksize=7, timeout=256, windowsize=0, unknown=1))
    assert wrong.start().packets == [b"\0\3\0\1abc"], "options out of bounds count as not asked for"


def test_tsize_counts_what_is_sent() -> None:
    asked = Request("a", netascii=True, options={"tsize": "0"})
    assert oack(Transfer(b"a\nb\r", asked).start().packets[0]) == {"tsize": str(len(netascii(b"a\nb\r")))}


def fetch(transfer: Transfer, lost: set[int] = frozenset(), doubled: bool = False, tries: int = 400) -> bytes:  # type: ignore[assignment]
    """A phone that loses the packets with these serial numbers, and may acknowledge twice."""
    whole, serial, expected = b"", 0, 1
    step = transfer.start()
    over = False
    for _ in range(tries):
        answer = None
        for packet in step.packets:
            serial += 1
            if serial in lost:
                continue
            if packet[:2] == b"\0\6":
                answer = ack(0)
                continue
            assert packet[:2] == b"\0\3", packet
            (number,) = struct.unpack_from("!H", packet, 2)
            if number == expected & 0xFFFF:
                whole += packet[4:]
                expected += 1
            answer = ack(expected - 1)
        if over:
            return whole
        step = transfer.received(answer) if answer else transfer.silent()
        if doubled and answer and not step.over:
            assert transfer.received(answer).packets == [], "an acknowledgement seen twice is not answered"
        over = step.over
        if over and not step.packets:
            return whole
    raise AssertionError("the transfer does not end")


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 5000),
    st.sampled_from([None, 8, 512, 1400, 65464]),
    st.sampled_from([None, 1, 4, 16]),
    st.sets(st.integers(1, 60), max_size=8),
    st.booleans(),
)
def test_every_byte_arrives_once(size: int, blksize: int | None, window: int | None, lost: set[int], doubled: bool) -> None:
    data = bytes(index % 251 for index in range(size))
    asked = {name: value for name, value in (("blksize", blksize), ("windowsize", window)) if value}
    # Five tries in a row may all be lost: then the sender gives up, which is right. Keep losses apart.
    apart = {each for each in lost if each % 3}
    assert fetch(Transfer(data, request(**asked)), apart, doubled, tries=6000) == data


def test_block_numbers_wrap() -> None:
    data = bytes(8 * 70_000)
    assert fetch(Transfer(data, request(blksize=8, windowsize=64)), tries=10_000) == data


def test_a_silent_phone_is_given_up() -> None:
    transfer = Transfer(b"x", request())
    transfer.start()
    waits = []
    for _ in range(10):
        step = transfer.silent()
        waits.append(transfer.wait_s)
        if step.over:
            break
    assert step.over and step.packets[0][:2] == b"\0\5"
    assert waits == sorted(waits) and len(waits) == 5


def test_an_error_ends_it_without_an_answer() -> None:
    transfer = Transfer(b"x" * 2000, request())
    transfer.start()
    step = transfer.received(struct.pack("!HH", 5, 0) + b"enough\0")
    assert step.over and not step.packets


@settings(deadline=None)
@given(st.lists(st.binary(max_size=8), max_size=30))
def test_answers_that_are_nonsense(packets: list[bytes]) -> None:
    transfer = Transfer(b"x" * 5000, request(windowsize=4))
    transfer.start()
    for packet in packets:
        if transfer.received(packet).over:
            break
