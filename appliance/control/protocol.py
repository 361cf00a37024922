"""The control socket's language: newline-delimited JSON-RPC 2.0, its methods and what they take, its topics.

A connection begins with `hello` (version 1) within HELLO_S. Each line is one JSON object of at most MAX_FRAME bytes; batches are not taken. Answers may come
in another order than the requests. A subscription brings notifications of method `event`. An error's `data` is `HoldfastError.as_dict()`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from appliance.errors import ControlError, HoldfastError
from appliance.types import Address

VERSION = 1
MAX_FRAME = 8 * 1024 * 1024
MAX_HELLO_FRAME = 4096
"""Before `hello` nobody has a reason to send more."""
HELLO_S = 10.0
UNIX_PATH_LIMIT = 107
"""Bytes of a Unix socket's path: sun_path of unix(7) less its closing NUL."""


def default_data(env: Mapping[str, str]) -> Path:
    """The box's data folder: HOLDFAST_DATA, else `holdfast` in the state folder of the XDG specification."""
    if named := env.get("HOLDFAST_DATA", "").strip():
        return _expanded(named)
    state = env.get("XDG_STATE_HOME", "")
    # The XDG specification has relative values ignored.
    base = Path(state) if state.startswith("/") else Path(env.get("HOME") or Path.home()) / ".local" / "state"
    return base / "holdfast"


def default_control(env: Mapping[str, str]) -> Path:
    """The control socket: HOLDFAST_CONTROL, else `run/control.sock` in the data folder."""
    if named := env.get("HOLDFAST_CONTROL", "").strip():
        return _expanded(named)
    return default_data(env) / "run" / "control.sock"


def _expanded(named: str) -> Path:
    try:
        return Path(named).expanduser().absolute()
    except RuntimeError as error:  # ~nobody-of-that-name
        raise ControlError(f"The home folder in {named!r} is unknown", "give an absolute path") from error


# ---- frames ------------------------------------------------------------------------------------------------------


class RpcCode(IntEnum):
    """JSON-RPC 2.0 section 5.1; what a program should match on is `data.code`."""

    PARSE = -32700
    INVALID_REQUEST = -32600
    UNKNOWN_METHOD = -32601
    PARAMS = -32602
    INTERNAL = -32603
    REFUSED = -32000  # a HoldfastError of the handler
    DENIED = -32001
    VERSION = -32002
    BUSY = -32003
    TIMEOUT = -32004


@dataclass(frozen=True, slots=True)
class RpcRequest:
    """One request. `id` None: a notification, which is not answered."""

    id: int | str | None
    method: str
    params: dict[str, Any]


class ProtocolError(ControlError):
    """A message the receiver cannot take. `fatal`: the stream cannot be trusted any more. `id` is that of the request, where it was readable."""

    code = "protocol"

    def __init__(self, sentence: str, hint: str = "", *, rpc: RpcCode = RpcCode.INVALID_REQUEST, fatal: bool = False, id: int | str | None = None) -> None:
        super().__init__(sentence, hint)
        self.rpc = rpc
        self.fatal = fatal
        self.id = id


def encode(message: Mapping[str, Any]) -> bytes:
    """One frame. Raises TypeError or ValueError for what JSON cannot carry (bytes, NaN)."""
    return json.dumps(message, separators=(",", ":"), allow_nan=False, default=_default).encode() + b"\n"


def _default(value: object) -> str:
    if isinstance(value, Address | Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot go over the control socket")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def decode(line: bytes | bytearray) -> dict[str, Any]:
    """The object in one frame. Raises ProtocolError (fatal)."""
    try:
        message = json.loads(line.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, nested too deeply, a number of thousands of digits
        raise ProtocolError("This is not JSON", "one JSON object per line", rpc=RpcCode.PARSE, fatal=True) from error
    if not isinstance(message, dict):
        raise ProtocolError("This is not a JSON-RPC object", "one object per line; batches are not taken")
    return message


def parse_request(line: bytes | bytearray) -> RpcRequest:
    """Raises ProtocolError."""
    message = decode(line)
    id, method, params = message.get("id"), message.get("method"), message.get("params", {})
    if isinstance(id, bool) or not isinstance(id, int | str | None):
        raise ProtocolError("A request's id is a number or a text")
    if message.get("jsonrpc", "2.0") != "2.0" or not isinstance(method, str):
        raise ProtocolError('A request has "jsonrpc": "2.0" and a method', id=id)
    if not isinstance(params, dict):
        raise ProtocolError("Parameters are named", "give params as an object", rpc=RpcCode.PARAMS, id=id)
    return RpcRequest(id, method, params)


def request(id: int, method: str, params: Mapping[str, Any]) -> bytes:
    return encode({"jsonrpc": "2.0", "id": id, "method": method, "params": params})


def answer(id: int | str | None, result: Any) -> bytes:
    return encode({"jsonrpc": "2.0", "id": id, "result": result})


def refusal(id: int | str | None, error: HoldfastError, rpc: RpcCode = RpcCode.REFUSED) -> bytes:
    return encode({"jsonrpc": "2.0", "id": id, "error": {"code": int(rpc), "message": error.sentence, "data": error.as_dict()}})


def notification(subscription: int, topic: str, data: bytes, lost: int) -> bytes:
    """A frame of method `event` around `data`, JSON made once for all subscribers. `lost`: how many before it were dropped since the last one."""
    return b'{"jsonrpc":"2.0","method":"event","params":{"subscription":%d,"topic":%s,"lost":%d,"data":%s}}\n' % (
        subscription,
        json.dumps(topic).encode(),
        lost,
        data,
    )


# ---- parameters --------------------------------------------------------------------------------------------------


class Params(BaseModel):
    """Parameters of a method: unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class HelloParams(Params):
    version: int
    client: str = Field(default="", max_length=80)


class TopicParams(Params):
    topic: str


class UnsubscribeParams(Params):
    subscription: int


class SignInParams(Params):
    extension: str = Field(min_length=1, max_length=64)
    by: str = Field(default="", max_length=80)
    """Who looks, for the record; empty: the user of the process that asks."""


class HistoryParams(Params):
    limit: int = Field(default=50, ge=1, le=1000)
    before: int = Field(default=0, ge=0, le=2**63 - 1)
    """The `serial` of the last call seen, for those before it; 0: the newest."""
    search: str = Field(default="", max_length=100)
    """Words that all stand in the numbers, names, user or trunk of a call."""
    user: str = Field(default="", max_length=63)
    """Calls of this user alone: made by him, to one of his numbers, or answered on one of his phones."""
    direction: str = Field(default="", max_length=20)
    outcome: str = Field(default="", max_length=40)
    """"answered", "unanswered" (whatever the cause), or one cause."""
    call: str = Field(default="", max_length=200)
    """The id of one call."""
    bad_sound: bool = False
    """Calls that sounded bad alone."""
    since_unix_s: float = Field(default=0.0, ge=0, le=1e11)
    until_unix_s: float = Field(default=0.0, ge=0, le=1e11)
    """Calls that began then or later, and before then; 0: whenever."""


class SoundParams(Params):
    call: str = Field(min_length=1, max_length=200)
    """The id of a call, up or over."""


class HangupParams(Params):
    call: str = Field(min_length=1, max_length=200)
    """A session id."""


DIALLED = r"^[A-Za-z0-9*#+.:_-]{1,64}$"
"""What can be dialled: digits with what people write between them, a SIP user name, a service URN."""


class OriginateParams(Params):
    extension: str = Field(min_length=1, max_length=64)
    """Whose phones ring first."""
    to: str = Field(pattern=DIALLED)


class LineTestParams(Params):
    trunk: str = Field(min_length=1, max_length=63)
    to: str = Field(min_length=1, max_length=40)
    """An outside number as people write it."""


class PageParams(Params):
    to: list[str] = Field(default_factory=list, max_length=100)
    """Extensions, and ids of groups."""
    everybody: bool = False
    """Every phone of the site, instead of `to`."""
    phone: str = Field(default="", max_length=64)
    """An extension whose phones ring first: who takes one up speaks. Or, instead of it:"""
    text: str = Field(default="", max_length=1000)
    """What is spoken."""
    audio: str = Field(default="", max_length=63)
    """The id of a recording of the site."""
    seconds: int = Field(default=120, ge=5, le=900)
    """It ends after this time at the latest."""


class TransferParams(HangupParams):
    to: str = Field(pattern=DIALLED)
    by: str = Field(default="", max_length=64)
    """The number or device of the party that transfers the other; empty: who was called, else who called."""


class TraceParams(Params):
    selector: str = Field(default="", max_length=300)
    """A Call-ID, a session id, an extension or a number; empty: the list of the latest calls."""
    limit: int = Field(default=400, ge=1, le=2000)


class RestartParams(Params):
    reason: str = Field(default="", max_length=300)
    force: bool = False
    """Also while an emergency call is up, which it cuts off."""
    whole: bool = False
    """All of the box's software, pages and supervisor as well."""


class LicenceParams(Params):
    name: str = Field(default="holdfast", min_length=1, max_length=100)
    """A library of `system`, or holdfast."""


class EmergencyTestParams(Params):
    extension: str = Field(min_length=1, max_length=64)
    call: bool = False
    """Place a call to the test number (933) over the production route."""


class NoticesParams(Params):
    limit: int = Field(default=20, ge=1, le=500)


class AcknowledgeParams(Params):
    notice: str = Field(min_length=1, max_length=200)
    by: str = Field(default="", max_length=80)


class VoicemailListParams(Params):
    mailbox: str = Field(default="", max_length=63)
    """Empty: all mailboxes."""


class MessageParams(Params):
    id: str = Field(min_length=1, max_length=100)


class MessageReadParams(MessageParams):
    offset: int = Field(default=0, ge=0)
    """Bytes of the WAV file that are there already."""


class MailboxParams(Params):
    mailbox: str = Field(min_length=1, max_length=63)


class GreetingReadParams(MailboxParams):
    offset: int = Field(default=0, ge=0)
    """As of MessageReadParams."""


class GreetingSetParams(MailboxParams):
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Of a recording in the box's store (site/media.py)."""


class ModemSmsParams(Params):
    to: str = Field(min_length=1, max_length=40)
    """A number as people write it."""
    text: str = Field(min_length=1, max_length=1600)


class OutboxParams(Params):
    limit: int = Field(default=50, ge=1, le=500)


class PhoneAskParams(Params):
    """A desk phone's request, as provisioning understood it."""

    mac: str = Field(pattern=r"^([0-9a-f]{12})?$")
    ip: str = Field(max_length=45)
    local_ip: str = Field(max_length=45)
    """The box's own address it came to."""
    port: int = Field(ge=1, le=65535)
    """Where settings are handed out over HTTP."""
    family: str = Field(default="", max_length=40)
    model: str = Field(default="", max_length=60)
    """An id of provisioning's catalogue, "" where it knows none."""
    written: str = Field(default="", max_length=60)
    firmware: str = Field(default="", max_length=60)
    protocol: str = Field(pattern=r"^(tftp|http|pnp)$")
    agree: bool
    event: str = Field(default="", max_length=60)
    """What makes the phone fetch its settings again."""


class PhoneSettingsParams(PhoneAskParams):
    token: str = Field(min_length=1, max_length=64)


class EnrolParams(Params):
    mac: str = Field(default="", max_length=20)
    """In any writing; "": every phone whose MAC address the site has."""
    minutes: int = Field(default=5, ge=1, le=60)


class PhoneParams(Params):
    mac: str = Field(min_length=12, max_length=20)


class PhoneSyncParams(Params):
    macs: list[str] = Field(default_factory=list, max_length=1000)
    """Empty: every phone that has its settings from the box."""
    wait: bool = True
    """False: they are told in the background, and nobody says who took it."""


class FirewallBanParams(Params):
    address: str = Field(min_length=1, max_length=60)
    minutes: int = Field(default=0, ge=0, le=10080)
    """0: as the settings say."""
    by: str = Field(default="", max_length=80)


class FirewallUnbanParams(Params):
    address: str = Field(min_length=1, max_length=60)
    by: str = Field(default="", max_length=80)


class FirewallSeenParams(Params):
    address: str = Field(min_length=1, max_length=60)
    """Who is at the web pages."""
    signed_in: bool
    """False: a sign-in was refused."""


class DrillParams(Params):
    seconds: int = Field(default=30, ge=10, le=300)
    """How long the internet is cut."""
    by: str = Field(default="", max_length=100)


class DrillEndParams(Params):
    by: str = Field(default="", max_length=100)


# ---- methods and topics ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Method:
    """A method (its result is a shape of `shapes.py`) and who may call it beside root and the box's own user. After `timeout_s` its caller is told so."""

    name: str
    params: type[Params] = Params
    roles: frozenset[str] = frozenset()
    timeout_s: float = 20.0


def _table(*methods: Method) -> dict[str, Method]:
    return {method.name: method for method in methods}


METHODS = _table(
    Method("status"),
    Method("health"),
    Method("alerts"),
    Method("alerts.test", timeout_s=45.0),
    Method("alerts.outbox", OutboxParams),
    Method("registrations"),
    Method("diagnosis"),
    Method("devices.sign-in", SignInParams),
    Method("calls"),
    Method("calls.history", HistoryParams),
    Method("calls.sound", SoundParams),
    Method("calls.hangup", HangupParams),
    Method("calls.originate", OriginateParams),
    Method("calls.page", PageParams, timeout_s=45.0),
    Method("calls.transfer", TransferParams),
    Method("trunks.test", LineTestParams),
    Method("network"),
    Method("modem"),
    Method("wan"),
    Method("drill"),
    Method("drill.start", DrillParams, timeout_s=30.0),
    Method("drill.end", DrillEndParams),
    Method("modem.sms", ModemSmsParams),
    Method("firewall"),
    Method("firewall.bans"),
    Method("firewall.ban", FirewallBanParams),
    Method("firewall.unban", FirewallUnbanParams),
    Method("firewall.seen", FirewallSeenParams),
    Method("phones.first", PhoneAskParams),
    Method("phones.settings", PhoneSettingsParams),
    Method("phones.list"),
    Method("phones.enrol", EnrolParams),
    Method("phones.forget", PhoneParams),
    Method("phones.sync", PhoneSyncParams, timeout_s=300.0),
    Method("trace", TraceParams),
    Method("site.activate", timeout_s=60.0),
    Method("secrets.changed"),
    Method("certificate.changed"),
    Method("box.restart", RestartParams),
    Method("system"),
    Method("system.licence", LicenceParams),
    Method("emergency.test", EmergencyTestParams, timeout_s=120.0),
    Method("emergency.notices", NoticesParams),
    Method("emergency.acknowledge", AcknowledgeParams),
    Method("voicemail.list", VoicemailListParams),
    Method("voicemail.read", MessageReadParams),
    Method("voicemail.heard", MessageParams),
    Method("voicemail.new", MessageParams),
    Method("voicemail.delete", MessageParams),
    Method("voicemail.counts"),
    Method("voicemail.greeting", MailboxParams),
    Method("voicemail.greeting-read", GreetingReadParams),
    Method("voicemail.greeting-set", GreetingSetParams),
    Method("voicemail.greeting-clear", MailboxParams),
)
TOPICS: dict[str, frozenset[str]] = {"events": frozenset(), "trace": frozenset()}
"""Topic -> the roles that may subscribe beside root and the box's own user."""


def checked(params: type[Params], given: Mapping[str, Any], id: int | str | None = None) -> dict[str, Any]:
    """`given` with defaults filled in. Raises ProtocolError naming every mistake."""
    try:
        return params.model_validate(given).model_dump()
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'parameters'}: {each['msg']}" for each in error.errors()[:10])
        raise ProtocolError(f"Wrong parameters: {wrong}"[:1000], rpc=RpcCode.PARAMS, id=id) from error
