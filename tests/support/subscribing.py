"""SUBSCRIBE requests as the SIP port hands them over (also a base for other requests of an authenticated device)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from appliance.sip.messages import Contact, Request
from appliance.types import Address, DeviceId

BOX, PHONE = Address("192.0.2.1", 5060), Address("192.0.2.20", 5060)


@dataclass(frozen=True, slots=True)
class Device:
    """A device's entry, as far as a subscription needs it."""

    name: str = "desk"

    @property
    def id(self) -> DeviceId:
        return DeviceId(self.name)


def subscribe(
    call_id: str = "c", cseq: int = 1, *, user: str = "one", to_tag: str = "", expires: int | None = 300, branch: str = "", event: str = "lamp",
    headers: dict[str, tuple[str, ...]] | None = None, **more: Any,
) -> Request:  # fmt: skip
    """To `user`; a branch of its own for every CSeq unless given. `headers`: name -> every value of it; `more`: other fields of the request."""
    every = {"Event": (event,) if event else (), **(headers or {})}
    made = Request(
        method="SUBSCRIBE", uri=f"sip:{user}@box", uri_scheme="sip", uri_user=user, uri_host="box", from_uri="sip:201@box", from_user="201", from_host="box",
        from_tag="theirs", to_uri=f"sip:{user}@box", to_user=user, to_host="box", call_id=call_id, cseq=cseq, branch=branch or f"z9{call_id}{cseq}",
        source=PHONE, local=BOX, expires=expires, contacts=(Contact("sip:201@192.0.2.20:5060"),), to_tag=to_tag,
        header=lambda name: next(iter(every.get(name, ())), ""), every=lambda name: every.get(name, ()),
    )  # fmt: skip
    return replace(made, **more)
