"""The shim's callbacks -> methods of the endpoint, and nothing else. All run on the SIP thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from _holdfast_shim import ffi, lib

Function = TypeVar("Function", bound=Callable[..., Any])


class Receiver(Protocol):
    """Who takes what the shim tells."""

    def on_request(self, text: str) -> int: ...

    def on_response(self, token: int, code: int) -> None: ...

    def on_incoming(self, call: int, call_id: str) -> None: ...

    def on_state(self, call: int, state: int, code: int, reason: str, retry_after: int) -> None: ...

    def on_media(self, call: int, active: bool, held: bool, codec: str) -> None: ...

    def on_refer(self, call: int, target: str, user: str, replaces: str) -> None: ...

    def on_refer_status(self, call: int, code: int, final: bool) -> None: ...

    def on_probe(self, call: int, code: int) -> None: ...

    def on_fax(self, call: int, what: int) -> None: ...

    def run_posted(self) -> None: ...


_receivers: list[Receiver] = []
"""The one endpoint of this process: C functions know no instance."""


def bind(receiver: Receiver) -> None:
    """From now on `receiver` is told."""
    _receivers[:] = [receiver]


def _extern(error: Any = None) -> Callable[[Function], Function]:
    made: Callable[[Function], Function] = ffi.def_extern(error=error)
    return made


def _text(pointer: Any) -> str:
    return str(ffi.string(pointer).decode(errors="replace"))


# A fault while deciding drops the request: the phone sends it again. An emergency is decided before anything that can fail (admission.py).
@_extern(error=lib.HF_DROP)
def hf_on_request(text: Any, length: int) -> int:
    return _receivers[0].on_request(ffi.unpack(text, length).decode(errors="replace"))


@_extern()
def hf_on_response(token: int, code: int, _reason: Any) -> None:
    _receivers[0].on_response(token, code)


@_extern()
def hf_on_incoming(_account: int, call: int, call_id: Any) -> None:
    _receivers[0].on_incoming(call, _text(call_id))


@_extern()
def hf_on_state(call: int, state: int, code: int, reason: Any, retry_after: int) -> None:
    _receivers[0].on_state(call, state, code, _text(reason), retry_after)


@_extern()
def hf_on_media(call: int, active: int, held: int, codec: Any) -> None:
    _receivers[0].on_media(call, bool(active), bool(held), _text(codec))


@_extern()
def hf_on_refer(call: int, target: Any, user: Any, replaces: Any) -> None:
    _receivers[0].on_refer(call, _text(target), _text(user), _text(replaces))


@_extern()
def hf_on_refer_status(call: int, code: int, final: int) -> None:
    _receivers[0].on_refer_status(call, code, bool(final))


@_extern()
def hf_on_probe(call: int, code: int) -> None:
    _receivers[0].on_probe(call, code)


@_extern()
def hf_on_fax(call: int, what: int) -> None:
    _receivers[0].on_fax(call, what)


@_extern()
def hf_on_wake() -> None:
    _receivers[0].run_posted()
