"""Sealing: what goes in comes out, every change is noticed and named, and a hostile header costs nothing."""

import hashlib
import io
import struct
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.site import sealing
from appliance.site.sealing import CHUNK, Cost, SealedReader, SealError, SealingWriter, seal, unseal, weakness

WORDS = "seven brave herons"
CHEAP = Cost(log2_n=4, r=1, p=1)
HEADER = 69
SEALED_CHUNK = CHUNK + 16


def sealed(data: bytes, passphrase: str = WORDS, purpose: str = "test") -> bytes:
    return seal(data, passphrase, purpose, cost=CHEAP)


def code_of(data: bytes, passphrase: str = WORDS, purpose: str = "test") -> str:
    with pytest.raises(SealError) as caught:
        unseal(data, passphrase, purpose)
    assert caught.value.sentence and caught.value.hint
    return caught.value.code


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 17])
def test_what_goes_in_comes_out(size):
    data = hashlib.shake_256(b"x").digest(size)
    assert unseal(sealed(data), WORDS, "test") == data


def test_the_usual_cost_works_and_nothing_of_the_content_shows():
    made = seal(b"the secret" * 100, WORDS, "test")
    assert unseal(made, WORDS, "test") == b"the secret" * 100
    assert b"secret" not in made


def test_the_same_bytes_never_seal_the_same():
    assert sealed(b"x")[HEADER:] != sealed(b"x")[HEADER:]


def test_accents_typed_either_way_are_one_passphrase():
    assert unseal(sealed(b"x", "caf\u00e9 caf\u00e9 caf\u00e9"), "cafe\u0301 cafe\u0301 cafe\u0301", "test") == b"x"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=2 * CHUNK // 3), max_size=8), st.lists(st.integers(1, 2 * CHUNK), min_size=1, max_size=5))
def test_however_it_is_written_and_read(pieces, sizes):
    into = io.BytesIO()
    with SealingWriter(into, WORDS, "test", cost=CHEAP) as writer:
        for piece in pieces:
            assert writer.write(piece) == len(piece)
    reader = SealedReader(io.BytesIO(into.getvalue()), WORDS, "test")
    read = []
    while not read or read[-1]:
        wanted = sizes[len(read) % len(sizes)]
        read.append(reader.read(wanted))
        assert len(read[-1]) <= wanted
    assert all(len(part) == sizes[at % len(sizes)] for at, part in enumerate(read[:-2]))
    assert b"".join(read) == b"".join(pieces)


_THREE = sealed(hashlib.shake_256(b"three").digest(2 * CHUNK + 1000))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(_THREE) - 1), st.integers(0, 7))
def test_every_flipped_bit_is_noticed(at, bit):
    changed = bytearray(_THREE)
    changed[at] ^= 1 << bit
    assert code_of(bytes(changed)) == ("not-ours" if at < 8 else "damaged")


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(_THREE) - 1))
def test_every_cut_is_noticed(size):
    assert code_of(_THREE[:size]) == ("not-ours" if size == 0 else "damaged")


def test_a_cut_between_chunks_is_named():
    for size in (HEADER + SEALED_CHUNK, HEADER + 2 * SEALED_CHUNK, HEADER, 30):
        with pytest.raises(SealError, match="cut off"):
            unseal(_THREE[:size], WORDS, "test")


def _chunks() -> list[bytes]:
    return [_THREE[at : at + SEALED_CHUNK] for at in range(HEADER, len(_THREE), SEALED_CHUNK)]


@pytest.mark.parametrize("order", [(1, 0, 2), (0, 0, 1, 2), (0, 2), (0, 1, 2, 2), (2,), (0, 1, 1, 2)])
def test_chunks_moved_repeated_or_left_out(order):
    chunks = _chunks()
    assert len(chunks) == 3
    assert code_of(_THREE[:HEADER] + b"".join(chunks[at] for at in order)) == "damaged"


def test_chunks_of_another_file_of_the_same_passphrase():
    other = sealed(hashlib.shake_256(b"other").digest(2 * CHUNK + 1000))
    mixed = _THREE[: HEADER + SEALED_CHUNK] + other[HEADER + SEALED_CHUNK :]
    assert code_of(mixed) == "damaged"
    assert code_of(other[:HEADER] + _THREE[HEADER:]) == "damaged"


def test_something_behind_the_end():
    assert code_of(_THREE + b"x") == "damaged"
    assert code_of(sealed(bytes(CHUNK)) + b"x") == "damaged"


def test_what_came_before_the_damage_was_authentic():
    changed = bytearray(_THREE)
    changed[-1] ^= 1
    reader = SealedReader(io.BytesIO(changed), WORDS, "test")
    assert reader.read(CHUNK) == hashlib.shake_256(b"three").digest(CHUNK)
    with pytest.raises(SealError):
        reader.read(2 * CHUNK)


def test_wrong_passphrase():
    assert code_of(_THREE, "seven brave heron") == "wrong-passphrase"
    assert code_of(_THREE, "") == "wrong-passphrase"


def test_another_purpose():
    assert code_of(sealed(b"x", purpose="site-export"), purpose="backup") == "not-ours"


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04" + bytes(100), b"\x89PNG\r\n\x1a\n" + bytes(100), bytes(1000), b"name = 'Harbour'\n"])
def test_another_kind_of_file(data):
    assert code_of(data) == "not-ours"


def _with_header(**changes: int) -> bytes:
    """_THREE with fields of its header changed and the checksum made right, as an attacker would."""
    fields = dict(zip(("version", "length", "log2_n", "r", "p"), _THREE[8:13], strict=True)) | changes
    head = _THREE[:8] + bytes(fields.values()) + _THREE[13 : HEADER - 8]
    return head + hashlib.sha256(head).digest()[:8] + _THREE[HEADER:]


def test_a_newer_format():
    assert code_of(_with_header(version=2)) == "newer-format"
    # Its header may be longer.
    head = _THREE[:8] + bytes((9, 30)) + bytes(12)
    assert code_of(head + hashlib.sha256(head).digest()[:8] + b"whatever") == "newer-format"
    # A damaged one is not taken for a newer one.
    assert code_of(_THREE[:8] + b"\2" + _THREE[9:]) == "damaged"


@pytest.mark.parametrize(
    "changes", [{"log2_n": 23, "r": 8}, {"log2_n": 255}, {"log2_n": 0}, {"r": 255, "log2_n": 20}, {"p": 255, "log2_n": 16, "r": 8}, {"r": 0}, {"p": 0}]
)
def test_a_hostile_header_asks_for_too_much(changes, monkeypatch):
    monkeypatch.setattr(sealing.hashlib, "scrypt", lambda *_, **__: pytest.fail("scrypt was run"))
    assert code_of(_with_header(**changes)) == "not-ours"


def test_other_lengths_and_version_zero():
    assert code_of(_with_header(version=0)) == "damaged"
    assert code_of(_THREE[:9] + struct.pack("B", 0) + _THREE[10:]) == "damaged"


def test_the_most_that_is_allowed_ends_soon():
    started = time.process_time()
    seal(b"", WORDS, "test", cost=Cost(log2_n=17, r=8, p=8))
    assert time.process_time() - started < 30


def test_a_writer_that_fails_leaves_nothing_that_opens():
    into = io.BytesIO()
    with pytest.raises(OSError, match="disk"), SealingWriter(into, WORDS, "test", cost=CHEAP) as writer:
        writer.write(b"x" * 100)
        raise OSError("disk")
    assert code_of(into.getvalue()) == "damaged"


class _Slow(io.RawIOBase):
    """A pipe: gives a few bytes at a time."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._data.read(min(size, 1000) if size >= 0 else 1000)


def test_from_a_pipe():
    assert SealedReader(_Slow(_THREE), WORDS, "test").read() == hashlib.shake_256(b"three").digest(2 * CHUNK + 1000)


@pytest.mark.parametrize(
    "weak", ["", "short", "elevenchars", "aaaaaaaaaaaa", "abababababab", "123456789012", "abcdefghijklmnop", "1111222233334444", "ZYXWVUTSRQPONM"]
)
def test_weak_passphrases(weak):
    assert weakness(weak)


@pytest.mark.parametrize("strong", [WORDS, "correct horse battery", "Tr0ub4dor&3xyz", "74839201746583920174", "\u00fc\u00f6\u00e4 drei gr\u00fcne Fische"])
def test_strong_passphrases(strong):
    assert not weakness(strong)
