"""Requests of our own beside calls, on the SIP thread: sent by the shim, their final answers handed to who sent them."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from _holdfast_shim import lib

from appliance.sip._pj.text import header_lines, name_addr
from appliance.sip.messages import DialogRequest

Done = Callable[[int], None]
"""Told the final status on the SIP thread: 408 when nobody answered, 503 when it could not be sent."""
MAX_TOKEN = 0x7FFFFFFF


class Requests:
    """Belongs to the SIP thread."""

    def __init__(self) -> None:
        self._tokens = itertools.cycle(range(1, MAX_TOKEN))
        self._waiting: dict[int, Done] = {}

    def send(
        self,
        account: int,
        method: str,
        target: str,
        headers: tuple[tuple[str, str], ...],
        body: bytes,
        content_type: str,
        from_uri: str,
        to_uri: str,
        done: Done,
    ) -> None:
        """A request outside any dialog. `from_uri` "": the account's own; `to_uri` "": the target."""
        token = self._wait(done)
        if lib.hf_request_send(
            token, account, method.encode(), target.encode(), name_addr(from_uri).encode(), name_addr(to_uri).encode(), header_lines(headers),
            content_type.encode(), body, len(body),
        ):  # fmt: skip
            self.answered(token, 503)

    def send_in_dialog(self, account: int, request: DialogRequest, done: Done) -> None:
        """A request in a dialog that its sender keeps."""
        token, r = self._wait(done), request
        if lib.hf_dialog_send(
            token, account, r.method.encode(), r.target.encode(), name_addr(r.from_uri).encode(), r.from_tag.encode(), name_addr(r.to_uri).encode(),
            r.to_tag.encode(), r.call_id.encode(), r.cseq, header_lines(r.headers), r.content_type.encode(), r.body, len(r.body),
        ):  # fmt: skip
            self.answered(token, 503)

    def answered(self, token: int, code: int) -> None:
        """The shim has a final status; what fails while it is sent may be told twice."""
        done = self._waiting.pop(token, None)
        if done is not None:
            done(code)

    def _wait(self, done: Done) -> int:
        token = next(self._tokens)
        self._waiting[token] = done
        return token
