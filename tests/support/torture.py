"""The torture messages of RFC 4475, bit-exact from the archive in its appendix A, and what a registrar and B2BUA that challenges callers may answer.

`expected` are final status codes; SILENCE in it means that no answer is right, too. The RFC's section says what each message is about.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).with_name("rfc4475")

SILENCE = 0
_CHALLENGED = frozenset({401, 403, 404, 407})
"""A good request of a stranger: asked who it is, or told that there is no such user."""
_UNKNOWN_METHOD = frozenset({405, 501})
_MALFORMED = frozenset({400})
_LIBERAL = _MALFORMED | _CHALLENGED
"""Where the RFC lets a liberal element go on as if nothing were wrong."""
_ASKED_FIRST = _MALFORMED | {401, 407}
"""A faulty INVITE: it might have been an emergency, so who sends it is looked at before its faults."""
_IGNORED = frozenset({SILENCE})


@dataclass(frozen=True)
class Torture:
    """One message. `valid`: well-formed by RFC 3261's grammar and to be understood."""

    name: str
    section: str
    valid: bool
    expected: frozenset[int]

    @property
    def data(self) -> bytes:
        return (_FOLDER / f"{self.name}.dat").read_bytes()

    @property
    def is_request(self) -> bool:
        return not self.data.startswith(b"SIP/")


_TABLE = (
    ("wsinv", "3.1.1.1", True, frozenset({481})),  # its To has a tag: a dialog we do not know
    ("intmeth", "3.1.1.2", True, _UNKNOWN_METHOD),
    ("esc01", "3.1.1.3", True, _CHALLENGED),
    ("escnull", "3.1.1.4", True, _CHALLENGED),
    ("esc02", "3.1.1.5", True, _UNKNOWN_METHOD),
    ("lwsdisp", "3.1.1.6", True, _CHALLENGED | {200}),
    ("longreq", "3.1.1.7", True, _CHALLENGED),
    ("dblreq", "3.1.1.8", True, _CHALLENGED),
    ("semiuri", "3.1.1.9", True, _CHALLENGED | {200}),
    ("transports", "3.1.1.10", True, _CHALLENGED | {200}),
    ("mpart01", "3.1.1.11", True, _CHALLENGED | _UNKNOWN_METHOD | {415}),
    ("unreason", "3.1.1.12", True, _IGNORED),
    ("noreason", "3.1.1.13", True, _IGNORED),
    ("badinv01", "3.1.2.1", False, _MALFORMED),
    ("clerr", "3.1.2.2", False, _ASKED_FIRST),
    ("ncl", "3.1.2.3", False, _MALFORMED),
    ("scalar02", "3.1.2.4", False, _LIBERAL),
    ("scalarlg", "3.1.2.5", False, _IGNORED),
    ("quotbal", "3.1.2.6", False, _LIBERAL),
    ("ltgtruri", "3.1.2.7", False, _LIBERAL),
    ("lwsruri", "3.1.2.8", False, _MALFORMED),
    ("lwsstart", "3.1.2.9", False, _LIBERAL),
    ("trws", "3.1.2.10", False, _LIBERAL | {200}),
    ("escruri", "3.1.2.11", False, _LIBERAL),
    ("baddate", "3.1.2.12", False, _LIBERAL),
    ("regbadct", "3.1.2.13", False, _LIBERAL),
    ("badaspec", "3.1.2.14", False, _LIBERAL | {200}),
    ("baddn", "3.1.2.15", False, _LIBERAL | {200}),
    ("badvers", "3.1.2.16", False, _MALFORMED | {505}),
    ("mismatch01", "3.1.2.17", False, _MALFORMED),
    ("mismatch02", "3.1.2.18", False, _MALFORMED | _UNKNOWN_METHOD),
    ("bigcode", "3.1.2.19", False, _IGNORED),
    ("badbranch", "3.2.1", False, _LIBERAL | {200}),
    ("insuf", "3.3.1", False, _MALFORMED),
    ("unkscm", "3.3.2", True, _CHALLENGED | {416}),
    ("novelsc", "3.3.3", True, _CHALLENGED | {416}),
    ("unksm2", "3.3.4", True, _CHALLENGED | {400}),
    ("bext01", "3.3.5", True, frozenset({420})),
    ("invut", "3.3.6", True, _CHALLENGED | {415}),
    ("regaut01", "3.3.7", True, _CHALLENGED),
    ("multi01", "3.3.8", False, _ASKED_FIRST),
    ("mcl01", "3.3.9", False, _LIBERAL | {200}),
    ("bcast", "3.3.10", True, _IGNORED),
    ("zeromf", "3.3.11", True, _CHALLENGED | {200, 483}),
    ("cparam01", "3.3.12", True, _CHALLENGED),
    ("cparam02", "3.3.13", True, _CHALLENGED),
    ("regescrt", "3.3.14", True, _CHALLENGED),
    ("sdp01", "3.3.15", True, _CHALLENGED | {400, 406}),
    ("inv2543", "3.4.1", True, _CHALLENGED | {400}),
)

TORTURE: dict[str, Torture] = {name: Torture(name, section, valid, frozenset(expected)) for name, section, valid, expected in _TABLE}
