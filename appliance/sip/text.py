"""Text messages by SIP (MESSAGE, RFC 3428): what a device may send, and sending one."""

from __future__ import annotations

from collections.abc import Callable

from appliance.errors import SipError
from appliance.sip.api import Endpoint, TextMessage
from appliance.sip.messages import Reply, Request
from appliance.sip.repeats import Repeats
from appliance.site.snapshot import DeviceEntry
from appliance.types import Address, Transport, TrunkId

MAX_DATAGRAM_BYTES = 1300
"""RFC 3428 section 8: no larger where nothing controls congestion."""
MAX_STREAM_BYTES = 8192
_CHARSETS = {"": "utf-8", "utf-8": "utf-8", "us-ascii": "ascii", "iso-8859-1": "iso-8859-1"}
_ACCEPT = (("Accept", "text/plain"),)


class Texts:
    """Takes the MESSAGE requests of devices that admission has authenticated (SIP thread). `deliver` gets each text once."""

    def __init__(self, deliver: Callable[[TextMessage], None]) -> None:
        self._deliver = deliver
        self._repeats = Repeats()

    def take(self, request: Request, device: DeviceEntry, now: float) -> Reply:
        """202 for a text that is handed on; 400, 413, 415 or 482 for what is none. A request sent again gets the same answer and is not handed on again."""
        return self._repeats.answer(request, now) or self._repeats.note(request, self._judge(request, device), now)

    def _judge(self, request: Request, device: DeviceEntry) -> Reply:
        kind, parameters = _content_type(request.header("Content-Type"))
        if kind != "text/plain" or request.header("Content-Encoding").strip().lower() not in ("", "identity"):
            return Reply(415, "Only plain text is taken", _ACCEPT)
        charset = _CHARSETS.get(parameters.get("charset", "").lower())
        if charset is None:
            return Reply(415, "The text must be UTF-8", _ACCEPT)
        body = request.body()
        longest = MAX_DATAGRAM_BYTES if request.source.transport is Transport.UDP else MAX_STREAM_BYTES
        if len(body) > longest:
            return Reply(413, f"The text is longer than {longest} bytes")
        try:
            text = body.decode(charset)
        except UnicodeDecodeError:
            return Reply(400, "The text is not what its charset says")
        to_user = request.to_user if request.to_tag else request.uri_user
        if not to_user:
            return Reply(404, "The text is for nobody")
        self._deliver(TextMessage(device.id, to_user, text, request.source, request.local, request.call_id))
        return Reply(202)


async def send_text(endpoint: Endpoint, target: str, account: Address | TrunkId, from_uri: str, text: str, to_uri: str = "") -> int:
    """Send `text`; the final status, 408 when nobody answered. Raises SipError when it is too long for one message.

    `target` is where it goes (a contact's dial URI), `from_uri` whom it is from, as the reader shall see and may answer; `to_uri`: whom it is for ("": target).
    """
    body = text.encode()
    longest = MAX_STREAM_BYTES if ";transport=t" in target.lower() else MAX_DATAGRAM_BYTES
    if len(body) > longest:
        raise SipError(f"The text has {len(body)} bytes; {longest} go into one message", "shorten it, or send it in parts", code="text-too-long")
    return await endpoint.request("MESSAGE", target, account, body=body, content_type="text/plain;charset=UTF-8", from_uri=from_uri, to_uri=to_uri)


def _content_type(header: str) -> tuple[str, dict[str, str]]:
    """`type/subtype` in lower case and its parameters (RFC 3261 section 20.15)."""
    kind, *written = header.split(";")
    pairs = (one.partition("=") for one in written)
    return kind.strip().lower(), {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}
