"""A carrier's SIP side in plain Python: registers the box's trunk, takes its calls by script, calls in, sends and records a G.711 tone.

    with Carrier("127.0.0.1") as carrier:
        carrier.plan = [silent, refuse(488), answer()]     # one script per INVITE; the last repeats
        call = carrier.wait_call()                          # Call: .invite .wait("BYE") .rtp .hangup()
        out = carrier.call("sip:+12025550100@127.0.0.1:5060", ("127.0.0.1", 5060)); out.wait_answer(); out.hangup()
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, Self, cast

from tests.support.net import Namespace
from tests.support.proc import wait_until
from tests.support.rawsip import BRANCH, RawPeer, Received, Target
from tests.support.rtp import RtpEnd
from tests.support.sipmsg import Headers, Message, authorization, build, challenge_of, media_of, parse, sdp, token

Script = Callable[["Call"], None]


class Media(Protocol):
    """What a call needs of its RTP end."""

    port: int
    event_type: int

    def start(self, remote: tuple[str, int]) -> None: ...

    def pause(self) -> None: ...

    def close(self) -> None: ...


class Call:
    """One dialog at the carrier, either way. Scripts of incoming calls run on a thread of their own, so they may block.

    `invite`: the first INVITE as received (incoming) or sent (outgoing). `rtp`: its RTP end, sending the tone once the far address is known.
    """

    def __init__(self, carrier: Carrier, *, incoming: Received | None = None, target: Target = ("", 0)) -> None:
        self.carrier = carrier
        self.incoming = incoming
        self.target = incoming.source if incoming else target
        self.transport = incoming.transport if incoming else "udp"
        self.at = time.monotonic()
        self.invite: Message = incoming.message if incoming else Message("", [])
        self.final: Message | None = None
        """The final reply to an outgoing INVITE."""
        self.provisional: list[Message] = []
        self.sent_at = 0.0
        """When the last INVITE of an outgoing call was sent (monotonic seconds)."""
        self.call_id = self.invite.call_id
        self.local_tag = token("c")
        self.remote_tag = self.invite.param("from", "tag")
        self.remote_uri = self.invite.uri_of("contact")
        self.local = self.invite.uri_of("to")
        self.remote = self.invite.uri_of("from")
        self.cseq = 1
        self.status = 0
        """The last status this side sent (incoming) or received (outgoing)."""
        self.error: Exception | None = None
        self._rtp: Media | None = None
        self.formats: Sequence[str] = carrier.formats

    # ---- media ----------------------------------------------------------------------------------------------------

    @property
    def rtp(self) -> RtpEnd:
        """Its RTP end; made by the carrier's `make_rtp` where that is set."""
        if self._rtp is None:
            self._rtp = self.carrier.make_rtp(self)
        return cast(RtpEnd, self._rtp)

    def sdp(self, direction: str = "") -> str:
        offered = re.search(r"a=rtpmap:(\d+) telephone-event/8000", self.invite.sdp) if self.incoming else None
        if offered is None:
            return sdp(self.carrier.media_ip, self.rtp.port, self.formats, direction=direction)
        # An answer uses the numbers of the offer (RFC 3264 section 6.1).
        number = offered[1]
        self.rtp.event_type = int(number)
        formats = [number if name == "101" else name for name in self.formats]
        extra = [] if number == "101" or "101" not in self.formats else [f"a=rtpmap:{number} telephone-event/8000", f"a=fmtp:{number} 0-15"]
        return sdp(self.carrier.media_ip, self.rtp.port, formats, direction=direction, extra=extra)

    def _send_tone_to(self, text: str) -> None:
        ip, port = media_of(text)
        if port and ip != "0.0.0.0":
            self.rtp.start((ip, port))

    def record(self, path: Path) -> Path:
        """What was heard so far as a WAV."""
        return self.rtp.wav(path)

    # ---- incoming -------------------------------------------------------------------------------------------------

    def reply(self, code: int, reason: str = "", *, with_sdp: bool = False, headers: Headers = ()) -> None:
        """Any answer to the INVITE; `with_sdp` sends ours and starts the tone (183: early media)."""
        assert self.incoming is not None
        self.status = code
        own = [("Contact", self.carrier.contact(self.transport))] if 100 < code < 300 else []
        body = self.sdp() if with_sdp else ""
        self.carrier.reply(self.incoming, code, reason, headers=[*own, *headers], body=body, to_tag="" if code == 100 else self.local_tag)
        if with_sdp:
            self._send_tone_to(self.invite.sdp)

    def answer(self, timeout_s: float = 8.0) -> None:
        """200 with SDP, repeated until the ACK comes (RFC 3261 section 13.3.1.4); AssertionError without one."""
        assert self.incoming is not None
        wait, deadline = 0.5, time.monotonic() + timeout_s
        while True:
            self.reply(200, with_sdp=True)
            try:
                self.wait("ACK", min(wait, max(deadline - time.monotonic(), 0.01)))
                return
            except AssertionError:
                if time.monotonic() >= deadline:
                    raise
            wait = min(wait * 2, 4.0)

    # ---- both -----------------------------------------------------------------------------------------------------

    def wait(self, method: str, timeout_s: float = 5.0) -> Received:
        """The first request of a method in this dialog (ACK, BYE, CANCEL, re-INVITE as "INVITE", INFO, REFER)."""
        return self.carrier.wait_for(
            lambda got: got.message.is_request and got.message.method == method and got.message.call_id == self.call_id and got is not self.incoming, timeout_s
        )

    def has(self, method: str) -> bool:
        """Was a request of that method received in this dialog (beside the first INVITE)?"""
        return any(got.message.call_id == self.call_id and got is not self.incoming for got in self.carrier.requests(method))

    def request(self, method: str, *, headers: Headers = (), body: str = "", content_type: str = "application/sdp", timeout_s: float = 5.0) -> Message | None:
        """A request within the dialog; its final reply (an INVITE's is acknowledged), None when silent."""
        self.cseq += 1
        data = self._in_dialog(method, self.cseq, headers=headers, body=body, content_type=content_type)
        reply = self.carrier.transact(data, self.target, self.transport, timeout_s=timeout_s)
        if method == "INVITE" and reply:
            if reply.status < 300:
                self._acknowledge(self.cseq)
            else:
                self._acknowledge_refusal(reply, data)
        return reply

    def hangup(self) -> Message | None:
        """BYE; its reply. The tone stops."""
        reply = self.request("BYE")
        if self._rtp:
            self._rtp.pause()
        return reply

    def vanish(self) -> None:
        """The peer's power goes: no more RTP, no more answers in this dialog."""
        self.carrier.vanished.add(self.call_id)
        if self._rtp:
            self._rtp.pause()

    def _in_dialog(self, method: str, cseq: int, *, headers: Headers = (), body: str = "", content_type: str = "application/sdp") -> bytes:
        return self.carrier.request_bytes(
            method, self.remote_uri, target=self.target, transport=self.transport, from_uri=self.local, to_uri=self.remote, from_tag=self.local_tag,
            to_tag=self.remote_tag, call_id=self.call_id, cseq=cseq, headers=headers, body=body, content_type=content_type,
        )  # fmt: skip

    def _acknowledge(self, cseq: int) -> None:
        self.carrier.send(self._in_dialog("ACK", cseq), self.target, self.transport)

    # ---- outgoing -------------------------------------------------------------------------------------------------

    def dial(self, uri: str, *, from_uri: str, headers: Headers, body: bytes | str | None, content_type: str, user: str, secret: str, transport: str) -> None:
        """Send the INVITE; called by `Carrier.call`."""
        self.transport, self.local, self.remote, self.call_id = transport, from_uri, uri, token("call-")
        self._dialled = uri
        self._credentials = (user, secret)
        self._body = self.sdp() if body is None else body
        self._more = (headers, content_type)
        self._send_invite(())

    def _send_invite(self, extra: Headers) -> None:
        headers, content_type = self._more
        self._branch = BRANCH + token()
        self._sent_at = len(self.carrier.received)
        self._data = self.carrier.request_bytes(
            "INVITE", self._dialled, target=self.target, transport=self.transport, from_uri=self.local, to_uri=self.remote, from_tag=self.local_tag,
            call_id=self.call_id, cseq=self.cseq, branch=self._branch, headers=[*headers, *extra], body=self._body, content_type=content_type,
            contact=self.carrier.contact(self.transport),
        )  # fmt: skip
        self.invite = parse(self._data)
        self.sent_at = time.monotonic()
        self.carrier.send(self._data, self.target, self.transport)

    def _replies(self) -> list[Message]:
        return [
            got.message for got in self.carrier.received[self._sent_at :]
            if not got.message.is_request and got.message.branch == self._branch and got.message.cseq[1] == "INVITE"
        ]  # fmt: skip

    def reply_at(self, code: int) -> float:
        """When the first reply with that status to the last INVITE arrived (monotonic seconds)."""
        return next(
            got.at for got in self.carrier.received[self._sent_at :]
            if got.message.branch == self._branch and got.message.cseq[1] == "INVITE" and got.message.status == code
        )  # fmt: skip

    def sign_in(self, timeout_s: float = 5.0) -> Self:
        """Until the peer has asked for credentials and got them."""
        wait_until(lambda: self._follow() == [] and self.cseq > 1, timeout_s, "a challenge")
        return self

    def wait_ringing(self, timeout_s: float = 5.0) -> Message:
        """The first provisional reply above 100; early media's tone is started."""
        reply = wait_until(lambda: next((m for m in self._follow() if 100 < m.status < 200), None), timeout_s, f"ringing on {self._dialled}")
        if reply.sdp:
            self._send_tone_to(reply.sdp)
        return reply

    def _follow(self) -> list[Message]:
        """Replies so far; a first challenge is answered when there are credentials."""
        replies = self._replies()
        refused = next((m for m in replies if m.status in (401, 407)), None)
        if refused and self._credentials[0] and self.cseq == 1:
            self._acknowledge_refusal(refused)
            self.cseq += 1
            name = "Authorization" if refused.status == 401 else "Proxy-Authorization"
            self._send_invite([(name, authorization(challenge_of(refused), "INVITE", self._dialled, *self._credentials))])
            return []
        return replies

    def wait_final(self, timeout_s: float = 10.0) -> Message:
        """The final reply, acknowledged; on 2xx the tone starts."""
        reply = wait_until(lambda: next((m for m in self._follow() if m.status >= 200), None), timeout_s, f"a final answer from {self._dialled}")
        self.final, self.status = reply, reply.status
        self.provisional = [m for m in self._replies() if m.status < 200]
        self.remote_tag = reply.param("to", "tag")
        if reply.status < 300:
            self.remote_uri = reply.uri_of("contact")
            self._acknowledge(self.cseq)
            self._send_tone_to(reply.sdp)
        else:
            self._acknowledge_refusal(reply)
        return reply

    def wait_answer(self, timeout_s: float = 10.0) -> Self:
        """wait_final, which must be 2xx."""
        reply = self.wait_final(timeout_s)
        assert reply.status < 300, f"{self._dialled} answered {reply.start}"
        return self

    def _acknowledge_refusal(self, reply: Message, data: bytes = b"") -> None:
        sent = parse(data or self._data)
        lines = [("Via", sent.header("via")), ("Max-Forwards", "70"), ("From", sent.header("from")), ("To", reply.header("to"))]
        lines += [("Call-ID", self.call_id), ("CSeq", f"{sent.cseq[0]} ACK")]
        self.carrier.send(build(f"ACK {sent.uri} SIP/2.0", lines), self.target, self.transport)

    def cancel(self) -> Message | None:
        """CANCEL the outgoing INVITE; the reply to the CANCEL."""
        sent = parse(self._data)
        lines = [("Via", sent.header("via")), ("Max-Forwards", "70"), ("From", sent.header("from")), ("To", sent.header("to"))]
        lines += [("Call-ID", self.call_id), ("CSeq", f"{sent.cseq[0]} CANCEL")]
        return self.carrier.transact(build(f"CANCEL {self._dialled} SIP/2.0", lines), self.target, self.transport)

    def close(self) -> None:
        if self._rtp:
            self._rtp.close()


# ---- scripts -----------------------------------------------------------------------------------------------------


def silent(call: Call) -> None:
    """Say nothing at all, not even 100."""


def trying(call: Call) -> None:
    """100 and nothing more: accepted by the first hop, dead behind it."""
    call.reply(100)


def refuse(code: int, *, after_s: float = 0.0, headers: Headers = ()) -> Script:
    """A final refusal, optionally late."""

    def script(call: Call) -> None:
        if after_s:
            threading.Event().wait(after_s)
        call.reply(code, headers=headers)

    return script


def answer(*, ring: bool = True, early_media: bool = False, after_s: float = 0.0) -> Script:
    """Ring (or 183 with early media), answer after `after_s`. An early CANCEL is honoured."""

    def script(call: Call) -> None:
        call.reply(100)
        if early_media:
            call.reply(183, with_sdp=True)
        elif ring:
            call.reply(180)
        if after_s:
            try:
                call.wait("CANCEL", after_s)
            except AssertionError:
                pass
            else:
                return
        call.answer()

    return script


def answer_despite_cancel(after_s: float) -> Script:
    """Silent, then a 200 that crosses the CANCEL: the late answer of a slow carrier. The box must release it with ACK and BYE."""

    def script(call: Call) -> None:
        call.carrier.ignore_cancel.add(call.call_id)
        threading.Event().wait(after_s)
        call.answer()

    return script


class Carrier(RawPeer):
    """See the module. `accounts`: {user: secret} that may register (empty: every REGISTER gets 200); `registrations` are those that did."""

    def __init__(
        self,
        ip: str = "127.0.0.1",
        port: int = 0,
        *,
        ns: Namespace | None = None,
        accounts: dict[str, str] | None = None,
        algorithm: str = "MD5",
        freq_hz: float = 1000.0,
        formats: Sequence[str] = ("0", "8", "101"),
        latch: bool = True,
    ) -> None:
        self.ns, self.media_ip, self.freq_hz, self.formats, self.latch = ns, ip, freq_hz, formats, latch
        self.accounts = accounts or {}
        self.algorithm = algorithm
        self.realm = "carrier.example"
        self.calls: list[Call] = []
        """Incoming."""
        self.calls_out: list[Call] = []
        self.plan: list[Script] = [answer()]
        self.registrations: list[Message] = []
        self.vanished: set[str] = set()
        self.ignore_cancel: set[str] = set()
        self.alive = True
        """False: the whole carrier is silent (but still keeps what it receives)."""
        self.make_rtp: Callable[[Call], Media] = self._own_rtp
        self._nonces: set[str] = set()
        super().__init__(ip, port, ns=ns, on_request=self._on_request)

    def _own_rtp(self, call: Call) -> Media:
        return RtpEnd(self.media_ip, ns=self.ns, freq_hz=self.freq_hz, payload_type=8 if call.formats[0] == "8" else 0, latch=self.latch)

    def contact(self, transport: str = "udp") -> str:
        """The Contact header it writes."""
        return f"<sip:carrier@{self.ip}:{self.port}" + (f";transport={transport}>" if transport != "udp" else ">")

    def _on_request(self, got: Received) -> None:
        message = got.message
        if not self.alive or message.call_id in self.vanished:
            return
        match message.method:
            case "INVITE" if "tag=" in message.header("to"):
                self._reinvite(got)
            case "INVITE":
                call = Call(self, incoming=got)
                script = self.plan[min(len(self.calls), len(self.plan) - 1)]
                self.calls.append(call)
                threading.Thread(target=self._run, args=(script, call), daemon=True, name="carrier-call").start()
            case "CANCEL":
                self._cancelled(got)
            case "REGISTER":
                self._register(got)
            case "ACK":
                pass
            case _:
                self.reply(got, 200, to_tag=token("c"))

    def _run(self, script: Script, call: Call) -> None:
        try:
            script(call)
        except Exception as error:  # noqa: BLE001 - kept for the test, which looks at call.error
            call.error = error

    def _reinvite(self, got: Received) -> None:
        call = next((call for call in self.calls if call.call_id == got.message.call_id), None)
        if call is None:
            self.reply(got, 481)
            return
        offer = got.message.sdp
        direction = next((word for word in ("sendonly", "inactive", "recvonly") if f"a={word}" in offer), "")
        mirrored = {"sendonly": "recvonly", "recvonly": "sendonly"}.get(direction, direction)
        self.reply(got, 200, headers=[("Contact", self.contact(got.transport))], body=call.sdp(mirrored))
        if direction in ("", "recvonly"):
            call._send_tone_to(offer)
        else:
            call.rtp.pause()

    def _cancelled(self, got: Received) -> None:
        call = next((call for call in self.calls if call.call_id == got.message.call_id), None)
        self.reply(got, 200 if call else 481, to_tag=call.local_tag if call else "")
        if call and call.status < 200 and call.call_id not in self.ignore_cancel:
            call.reply(487)

    def _register(self, got: Received) -> None:
        message = got.message
        if self.accounts and not self._accepts(message):
            nonce = token()
            self._nonces.add(nonce)
            challenge = f'Digest realm="{self.realm}", nonce="{nonce}", algorithm={self.algorithm}, qop="auth"'
            self.reply(got, 401, headers=[("WWW-Authenticate", challenge)], to_tag=token("c"))
            return
        self.registrations.append(message)
        expires = message.header("expires") or message.param("contact", "expires") or "300"
        contacts = [("Contact", f"{value.split(';expires')[0]};expires={expires}") for value in message.all("contact") if expires != "0"]
        self.reply(got, 200, headers=[*contacts, ("Expires", expires)], to_tag=token("c"))

    def _accepts(self, message: Message) -> bool:
        """Does the REGISTER answer a nonce of ours with a known account's secret?"""
        value = message.header("authorization")
        given = challenge_of(Message("SIP/2.0 401 -", [("www-authenticate", value)]))
        user = given.get("username", "")
        if user not in self.accounts or given.get("nonce") not in self._nonces:
            return False
        challenge = {"realm": self.realm, "nonce": given["nonce"], "algorithm": self.algorithm, "qop": given.get("qop", "")}
        count, cnonce = int(given.get("nc", "1"), 16), given.get("cnonce", "")
        expected = authorization(challenge, "REGISTER", given["uri"], user, self.accounts[user], nc=count, cnonce=cnonce)
        return given.get("response") == challenge_of(Message("SIP/2.0 401 -", [("www-authenticate", expected)]))["response"]

    def wait_call(self, index: int = 0, timeout_s: float = 5.0) -> Call:
        """The call number `index` (0: the first) that came in."""
        return wait_until(lambda: self.calls[index] if len(self.calls) > index else None, timeout_s, f"call {index} at the carrier")

    def wait_registered(self, timeout_s: float = 10.0) -> Message:
        """The first REGISTER that was accepted."""
        return wait_until(lambda: next(iter(self.registrations), None), timeout_s, "a registration at the carrier")

    def call(
        self,
        uri: str,
        target: Target,
        *,
        from_uri: str = "",
        headers: Headers = (),
        body: bytes | str | None = None,
        content_type: str = "application/sdp",
        user: str = "",
        secret: str = "",
        transport: str = "udp",
    ) -> Call:
        """Send an INVITE; `body` None: our own SDP, "" none. Returns at once: see Call.wait_ringing, wait_final, wait_answer."""
        call = Call(self, target=target)
        self.calls_out.append(call)
        call.dial(
            uri, from_uri=from_uri or f"sip:+15550001111@{self.ip}:{self.port}", headers=headers, body=body, content_type=content_type,
            user=user, secret=secret, transport=transport,
        )  # fmt: skip
        return call

    def close(self) -> None:
        for call in [*self.calls, *self.calls_out]:
            call.close()
        super().close()
