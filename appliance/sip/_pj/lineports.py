"""The ports of the bridge for legs that are no SIP dialogs (line.c). On the SIP thread."""

from __future__ import annotations

from _holdfast_shim import lib


def open_port() -> int:
    """A new leg's number, above those of calls; -1: there is no room."""
    return int(lib.hf_line_open())


def set_sound(call: int, fd: int) -> None:
    """Sound comes and goes over `fd` from now on, which is closed with the leg; -1: over none."""
    lib.hf_line_sound(call, fd)


def close_port(call: int) -> None:
    lib.hf_line_close(call)
