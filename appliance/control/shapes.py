"""What the control socket's methods answer: the shapes of their results.

`_unix_s` is wall clock in Unix seconds, `_s` a duration in seconds. Text may come from a phone or a caller: show it as text, never as markup.
"""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import TypedDict  # that of `typing` has no schema before Python 3.12, and the API's description is made of these

from appliance.control.machine_shapes import CellularShape, HealthSummary
from appliance.control.wan_shapes import WanSummary


class HelloResult(TypedDict):
    version: int
    release: str
    role: str
    methods: list[str]
    topics: list[str]


class AlarmShape(TypedDict):
    code: str
    sentence: str
    hint: str
    since_unix_s: float


class TrunkShape(TypedDict):
    """`state`: "up", "registering", "unknown" (nothing is known yet), "down" or "disabled"; `reason` why it is not up. `calls`: channels in use."""

    id: str
    name: str
    host: str
    state: str
    reason: str
    calls: int
    max_calls: int
    emergency_armed: bool


class NoticeShape(TypedDict):
    """One emergency call as people on site see it: the fields of `EmergencyNotice`, and who has acknowledged it.

    `outcome`: "calling", "connected", "ended", "abandoned" or "failed". `acknowledged_unix_s` None: nobody has.
    """

    id: str
    session: str
    test: bool
    started_unix_s: float
    dialled: str
    service: str
    device: str
    extension: str
    source_ip: str
    callback_number: str
    location: str
    location_sent: bool
    path: str
    outcome: str
    durable: bool
    note: str
    acknowledged_by: str
    acknowledged_unix_s: float | None


class EmergencyShape(TypedDict):
    """`armed` False: `reasons` says why, each a sentence."""

    armed: bool
    reasons: list[str]
    active: list[NoticeShape]
    last: NoticeShape | None


class UnconfirmedShape(TypedDict):
    """A commit on condition: `revision` goes back to the content of `previous` unless it is confirmed in time."""

    revision: int
    previous: int
    seconds_left: float
    author: str


class StatusResult(TypedDict):
    """`unconfirmed` None: what is in force stays. `mode`: "normal" or "rescue" (then `rescue_reason`). `addresses` like `udp:192.168.1.5:5060`.

    `missing`: features this build lacks. `line_test`: the last test call over a trunk since the start, None: there was none.
    """

    version: str
    pid: int
    uptime_s: float
    site: str
    revision: int
    unconfirmed: UnconfirmedShape | None
    mode: Literal["normal", "rescue"]
    rescue_reason: str
    addresses: list[str]
    devices: int
    devices_registered: int
    registrations: int
    calls: int
    free_legs: int
    trunks: list[TrunkShape]
    emergency: EmergencyShape
    crashes: int
    alarms: list[AlarmShape]
    missing: list[str]
    health: HealthSummary
    cellular: CellularShape
    wan: WanSummary
    line_test: LineTestShape | None


class LineTestShape(TypedDict):
    """A test call over one trunk. `state`: "signing-in", "dialling", "ringing", "answered", "ended" (it was answered) or "failed".

    `to`: E.164. `heard`: sound came from the far end; None before that is known. `code`: the carrier's answer, 0: there was none. `cause`, `cure`: why it
    failed, or what is wrong with it all the same; sentences without their full stop.
    """

    id: str
    trunk: str
    to: str
    state: str
    code: int
    reason: str
    cause: str
    cure: str
    heard: bool | None
    began_unix_s: float


class OwnAddressShape(TypedDict):
    """An IPv4 address of the box. `served`: the box answers there; `phones`: the one to type into phones."""

    interface: str
    address: str
    prefix: int
    served: bool
    phones: bool


class NameServerShape(TypedDict):
    """`answer`: what it says to a question ("NOERROR", "NXDOMAIN", "SERVFAIL"…), "" : it is silent."""

    address: str
    answer: str
    after_ms: float


class SeenShape(TypedDict):
    """Somebody on the same wire. `maker`: of phones, by the MAC address, "" : not known as one. `devices`: those of the site that are this one."""

    address: str
    mac: str
    interface: str
    maker: str
    devices: list[str]


class NetworkResult(TypedDict):
    """How the network is. `gateway` "" : there is no way out. `names`: a name server answers. `clock_kept` None: not known."""

    addresses: list[OwnAddressShape]
    gateway: str
    gateway_interface: str
    gateway_seen: bool
    name_servers: list[NameServerShape]
    names: bool
    clock_kept: bool | None
    seen: list[SeenShape]


class RegistrationShape(TypedDict):
    """One contact. `received` like `udp:192.168.1.20:5060`. `location`: the name of the place emergency calls from it report."""

    device: str
    sip_user: str
    extension: str
    name: str
    contact: str
    received: str
    user_agent: str
    expires_s: int
    registered_unix_s: float
    location: str


class AbsentShape(TypedDict):
    """A device that nothing rings."""

    device: str
    sip_user: str
    extension: str
    name: str


class RegistrationsResult(TypedDict):
    registrations: list[RegistrationShape]
    absent: list[AbsentShape]


class FindingShape(TypedDict):
    """Something that does not work: `cause` and `cure` are sentences without their full stop. `device` "": none of the site's. `source` "": not known.

    `code`: a reason of a refusal ("wrong-password", "unknown-user", "wrong-domain"…), "no-flow", "silent", "no-password", "switched-off", or how calls sounded:
    "one-way", "loss", "jitter" or "delay"; `call` is then the latest of these.
    `at_unix_s`: the last of its `times`; 0 for what lasts.
    """

    code: str
    device: str
    name: str
    username: str
    source: str
    user_agent: str
    cause: str
    cure: str
    at_unix_s: float
    times: int
    call: str


class DiagnosisResult(TypedDict):
    findings: list[FindingShape]


class SignInShape(TypedDict):
    """One device's SIP sign-in, in the clear."""

    device: str
    name: str
    sip_user: str
    secret: str


class SignInResult(TypedDict):
    """`servers` like `192.168.1.5:5060`: any of them serves as registrar and proxy (row E4)."""

    domain: str
    servers: list[str]
    devices: list[SignInShape]


class SecretsChangedResult(TypedDict):
    """`devices`: how many of the site's can sign in with what the vault has now."""

    devices: int


class WayShape(TypedDict):
    """One way between a side of a call and the box. `score` 1 to 5. None: not known; a far end that sends no RTCP reports tells nothing."""

    packets: int
    lost_percent: float | None
    jitter_ms: float | None
    score: float | None


class SideShape(TypedDict):
    """One side of a call: "caller" or "called". `sends`: from it to the box, `gets`: from the box to it; `hears_…`: what it heard of the other side in all.

    `line`: it is outside. `gap_s`: the longest time without a packet of it. `forwarded`: its packets were passed on as they came.
    """

    side: str
    name: str
    line: bool
    codec: str
    sends: WayShape
    gets: WayShape
    rtt_ms: float | None
    gap_s: float
    hears_lost_percent: float | None
    hears_score: float | None
    forwarded: bool


class SoundFindingShape(TypedDict):
    """What `listener` suffers from `speaker`. `code`: "one-way" (`value` in s), "loss" (%), "jitter" or "delay" (ms). `side`: where; `line`: outside.

    `cause` and `cure` are sentences without their full stop.
    """

    code: str
    listener: str
    speaker: str
    side: str
    line: bool
    value: float
    cause: str
    cure: str


class SoundShape(TypedDict):
    """How a call sounds. `score`: to whoever hears worst, 1 to 5 (E-model, ITU-T G.107). `bad`: below 3.6, or there is a finding."""

    score: float | None
    bad: bool
    sides: list[SideShape]
    findings: list[SoundFindingShape]


class CourseShape(TypedDict):
    """How one side's sound went, a value for each step: per cent lost and jitter in ms of what it sent and of what it got; None: nothing was known."""

    side: str
    sent_lost: list[float | None]
    sent_jitter: list[float | None]
    got_lost: list[float | None]
    got_jitter: list[float | None]


class SoundResult(TypedDict):
    """`up`: the call is still up, and `sound` some seconds old. `sound` None: not measured. `course`: of the latest calls alone; each step is `step_s` long."""

    call: str
    up: bool
    sound: SoundShape | None
    step_s: float
    course: list[CourseShape]


class CertificateChangedResult(TypedDict):
    """`sip`: whether SIP over TLS uses it now; False where there is none."""

    sip: bool


class CallShape(TypedDict):
    """`state`: "new", "dialling", "ringing", "up" or "transferring", for `since_s` now. `score` (1 to 5), `bad_sound`: None before it is measured."""

    id: str
    call_id: str
    from_number: str
    from_name: str
    to_number: str
    to_name: str
    state: str
    since_s: float
    codec: str
    forwarded: bool
    emergency: bool
    score: float | None
    bad_sound: bool | None


class CallsResult(TypedDict):
    calls: list[CallShape]


class PastCallShape(TypedDict):
    """A call detail record. `outcome`: "answered" or why not: "busy", "no-answer", "declined"… `path`: the steps of flows and what else happened, in order.
    `sound` None: not measured.

    `serial` rises with every record.
    """

    id: str
    serial: int
    direction: str
    from_number: str
    from_name: str
    to_number: str
    started_unix_s: float
    talk_s: float
    outcome: str
    code: int
    trunk: str
    dialled: str
    user: str
    path: list[str]
    sound: SoundShape | None


class HistoryResult(TypedDict):
    calls: list[PastCallShape]


class HangupResult(TypedDict):
    call: str


class OriginateResult(TypedDict):
    """`call`: the id of the call that begins now."""

    call: str


class PageResult(TypedDict):
    """The page as a call; `phones`: how many were free for it."""

    call: str
    phones: int


class TransferResult(TypedDict):
    call: str


class TraceMessage(TypedDict):
    """One SIP message, secrets masked. `status` 0: a request. `label` is what stands over the arrow. `session` "": none known. `text`: the whole message."""

    at_s: float
    sent: bool
    local: str
    remote: str
    label: str
    first_line: str
    method: str
    status: int
    cseq: str
    call_id: str
    from_user: str
    to_user: str
    session: str
    text: str


class TraceCall(TypedDict):
    """One call the ring still knows. `status`: the last final answer to its INVITE, 0 when there is none."""

    at_s: float
    session: str
    call_id: str
    from_user: str
    to_user: str
    status: int
    messages: int


class TraceResult(TypedDict):
    """With a selector `messages`, oldest first (`left_out` were beyond the limit); without, `calls`, newest first. `call_ids`: the dialogs shown."""

    messages: list[TraceMessage]
    call_ids: list[str]
    left_out: int
    calls: list[TraceCall]


class ActivateResult(TypedDict):
    """`revision`: the one in force."""

    revision: int


class ProblemShape(TypedDict):
    path: str
    sentence: str
    hint: str


class RestartResult(TypedDict):
    """`calls`: how many the restart ends."""

    calls: int


class EmergencyPathShape(TypedDict):
    """One way the call would try, in order. `state` as TrunkShape's; `uri`: the Request-URI it would be sent."""

    id: str
    name: str
    state: str
    armed: bool
    uri: str


class TestCallShape(TypedDict):
    """What became of the test call. `code`: the SIP status."""

    answered: bool
    path: str
    code: int
    reason: str
    setup_s: float


class EmergencyTestResult(TypedDict):
    """The emergency proof for one extension. `civic`: RFC 5139 fields that are set. `invite`: the INVITE that would go out first, as text.

    `problems`: what would go wrong, each with a cure; empty: the proof holds. `call` None: none was asked for.
    """

    extension: str
    device: str
    dialled: str
    number: str
    service: str
    location: str
    location_source: str
    civic: dict[str, str]
    callback: str
    paths: list[EmergencyPathShape]
    invite: str
    problems: list[ProblemShape]
    call: TestCallShape | None


class NoticesResult(TypedDict):
    notices: list[NoticeShape]


class AcknowledgeResult(TypedDict):
    notice: NoticeShape


class MessageShape(TypedDict):
    """A voicemail message. `heard_unix_s` None: it is new."""

    id: str
    mailbox: str
    caller: str
    caller_name: str
    call: str
    started_unix_s: float
    seconds: float
    heard_unix_s: float | None


class VoicemailListResult(TypedDict):
    """The oldest first."""

    messages: list[MessageShape]


class MailboxCountShape(TypedDict):
    """`new` and `old` messages of a mailbox that is in force or has any."""

    mailbox: str
    new: int
    old: int


class VoicemailCountsResult(TypedDict):
    """`fault`: why nothing is known of messages now, "" : it is."""

    mailboxes: list[MailboxCountShape]
    fault: str


class GreetingResult(TypedDict):
    """What callers of a mailbox hear first. `kind`: "own" (spoken by phone, or brought as a file), "recording" (one of the site, whose id is `recording`),
    "spoken" (the box says it).
    """

    mailbox: str
    kind: str
    recording: str
    seconds: float


class MessageReadResult(TypedDict):
    """A piece of the message's WAV file from `offset` on, in base64; `bytes`: of the whole file."""

    data: str
    bytes: int


class MessageResult(TypedDict):
    message: MessageShape


class PhoneResult(TypedDict):
    """`phone`: as provisioning/phone.py has it; None: it gets nothing, and `reason` says why. `family`: the maker, as far as it was ever told."""

    phone: dict[str, Any] | None
    family: str
    reason: str


class DeskPhoneShape(TypedDict):
    """A desk phone that asked for settings. `device` "": it belongs to nobody yet. `reason` "": it got what it asked for. `open_s`: of its enrolment window.
    `refused_ip`: where somebody asked in vain in the name of a phone that was let in, while that one is at `ip`; "": nobody.
    """

    mac: str
    ip: str
    family: str
    model: str
    firmware: str
    protocol: str
    device: str
    verdict: Literal["given", "unknown", "off", "disagrees", "closed", "token", "elsewhere", "twice"]
    reason: str
    refused_ip: str
    asked: int
    seen_s: float
    enrolled: bool
    open_s: float
    fetched_unix_s: float
    current: bool
    """It has what the site says now."""


class PhonesResult(TypedDict):
    """The latest first. `open_s`: how long every phone of the site may still take its settings. `networks`: where phones get any."""

    phones: list[DeskPhoneShape]
    open_s: float
    networks: list[str]


class EnrolResult(TypedDict):
    mac: str
    open_s: float


class PhoneSyncResult(TypedDict):
    """MAC addresses that were to be told, and those that answered."""

    told: list[str]
    taken: list[str]
