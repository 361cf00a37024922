"""Shapes of what the control socket answers of the machine and of the box's software; as `shapes`."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict


class CheckShape(TypedDict):
    """One matter of the machine's health. `level`: "ok", "look" or "bad"; `cure` "" where nothing is wrong.

    `share`: how full or busy, 0 to 1, where it is said.
    """

    name: str
    level: str
    sentence: str
    cure: str
    share: float | None


class HealthSummary(TypedDict):
    """`level`: of the worst check; `problems`: those that are not "ok". `at_unix_s`: when it was looked at, 0: not yet."""

    level: str
    problems: list[CheckShape]
    at_unix_s: float


class ProcessShape(TypedDict):
    """A process of the box. `busy`: its share of one processor core; `handles` of at most `most_handles` are open."""

    name: str
    pid: int
    memory_bytes: int
    busy: float
    handles: int
    most_handles: int
    threads: int


class HealthPoint(TypedDict):
    """How it was then. Shares are 0 to 1; `temperature_c` None: there is no sensor."""

    at_unix_s: float
    processor: float
    memory: float
    temperature_c: float | None
    calls: int


class HealthResult(TypedDict):
    """`at_unix_s` 0: nothing was measured yet, and the rest is empty. `history`: the last hour, the oldest first.

    `clock`: "set", "was-set", "never" or "unknown".
    """

    level: str
    at_unix_s: float
    checks: list[CheckShape]
    load: list[float]
    uptime_s: float
    clock: str
    processes: list[ProcessShape]
    history: list[HealthPoint]


class LibraryShape(TypedDict):
    """A part that others made. `version` "": that of the system. `licence`: in short."""

    name: str
    version: str
    licence: str


class LinkShape(TypedDict):
    """A network interface that the board file has a task for. `up`: it has a connection."""

    name: str
    role: Literal["lan", "wan"]
    up: bool


class BoardShape(TypedDict):
    """The board file that counts. `modem_at`, `modem_audio`: the devices that are there for a modem's commands and sound, the likeliest first.

    `status_led` "": it has none.
    """

    id: str
    name: str
    tested: Literal["hardware", "qemu", "none"]
    console: str
    watchdog_s: int
    status_led: str
    links: list[LinkShape]
    modem_at: list[str]
    modem_audio: list[str]


class SystemResult(TypedDict):
    """What the box runs on and is made of. `uptime_s`: of the phone engine, `machine_uptime_s` of the machine. `board` "": it does not say what it is.

    `board_file` null: none could be used, for the reason in `board_problem`. `supervised`: somebody starts the engine again when it ends.
    """

    version: str
    uptime_s: float
    machine_uptime_s: float
    host: str
    board: str
    board_file: BoardShape | None
    board_problem: str
    architecture: str
    system: str
    kernel: str
    python: str
    cores: int
    supervised: bool
    libraries: list[LibraryShape]


class CellularShape(TypedDict):
    """The modem in short. `state`: "none" (the box has no modem), "absent", "starting", "no-sim", "pin-needed", "puk-needed", "searching", "denied", "home" or
    "roaming" (on a network, but without calls), "ready".

    `fault` "": none; else "missing", "no-permission", "busy", "wrong-port", "unplugged", "hung" or "unknown-model". `network`: "2G" to "5G", "" not known.
    `calls`: it can call.
    """

    state: str
    fault: str
    operator: str
    network: str
    signal_dbm: int | None
    roaming: bool
    calls: bool


class ModemCallShape(TypedDict):
    """The modem's call, or the last one. `state`: "dialling", "alerting", "incoming", "active" or "ended"; then `end` says why."""

    id: int
    number: str
    outgoing: bool
    state: str
    end: str
    reason: str


class ModemTextShape(TypedDict):
    """A text. `state`: "queued", "sending", "sent" or "failed", then `reason` says why. `sent`: how many of its `parts` the network took."""

    id: int
    to: str
    parts: int
    sent: int
    state: str
    reason: str


class ModemResult(CellularShape):
    """All of the modem. `ports`: for commands, and for the calls' sound. `volte`: calls go over the data network. `since_s`: how long it has been so.

    `trouble` "": nothing is wrong. `texts`: the newest first.
    """

    ports: list[str]
    maker: str
    model: str
    imei: str
    imsi: str
    volte: bool
    since_s: float
    trouble: str
    cure: str
    call: ModemCallShape | None
    texts: list[ModemTextShape]


class AlertWayShape(TypedDict):
    """`how`: "mail", "webhook", or "voicemail" where somebody gets it by e-mail. `places`: addresses, or the webhook; empty: not set up.

    `fault` "": nothing is known to be wrong.
    """

    how: str
    places: list[str]
    fault: str
    cure: str


class AlertsResult(TypedDict):
    """How alerts go out, and how many messages wait, were delivered, and were given up."""

    ways: list[AlertWayShape]
    waiting: int
    sent: int
    given_up: int


class AlertTestShape(TypedDict):
    """Whether a test message was taken at one place; else what is wrong and its cure."""

    how: str
    place: str
    ok: bool
    sentence: str
    cure: str


class AlertsTestResult(TypedDict):
    """One entry for each place."""

    tried: list[AlertTestShape]


class OutboxShape(TypedDict):
    """A message for one place. `state`: "waiting", "sent" or "dead" (given up). `next_s`: until it is tried again. `reason`: why the last try failed, as far as
    it was since the engine's start."""

    id: int
    how: str
    place: str
    subject: str
    created_unix_s: float
    state: str
    attempts: int
    next_s: float
    reason: str


class OutboxResult(TypedDict):
    """The newest first."""

    items: list[OutboxShape]


class LicenceResult(TypedDict):
    """The text of a licence."""

    name: str
    text: str
