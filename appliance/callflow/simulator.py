"""What would happen: the real steps, walked at once by a caller, people and lines that do what is assumed of them. Touches nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from appliance.callflow.graph import Graph, Place
from appliance.callflow.library import Library
from appliance.callflow.node import Jump, Way
from appliance.callflow.runner import Flows
from appliance.callflow.services import Services
from appliance.callflow.simulated import Doing, SimulatedPort, SimulatedSpeaker, SimulatedVoicemail
from appliance.callflow.virtual import run_virtually
from appliance.calls.caller import Caller
from appliance.calls.program import CallerGone, Program
from appliance.calls.route import ToEmergency, meant_by
from appliance.errors import NotFound
from appliance.sip.trunks.numbers import dialled
from appliance.site.model.base import Part
from appliance.site.snapshot import Snapshot
from appliance.site.wording import close, quoted
from appliance.sound import Sound
from appliance.types import FlowId, UserId

MOST_KEYS = 100


def _keys(text: str) -> str:
    if len(text) > MOST_KEYS or any(key not in "0123456789*#" for key in text):
        raise ValueError(f'are not keys of a telephone: 0 to 9, * and #, at most {MOST_KEYS}; "2", "12#"')
    return text


class Situation(Part):
    """What is assumed. `number`: dialled by `user`; without one it is called from outside by `caller`. `flow`: the call begins in that flow,
    whatever leads to it.

    `keys` are pressed as they are asked for. `people`: what users and devices (by id) and outside numbers do; `others`: everybody else.
    """

    number: str = Field("", max_length=40)
    flow: str | None = None
    at: datetime | None = None
    """Without an offset: the site's time. None: now."""
    user: str | None = None
    caller: str = Field("", max_length=40)
    keys: Annotated[str, AfterValidator(_keys)] = ""
    people: dict[str, Doing] = Field(default_factory=dict)
    others: Doing = "answers"
    internet: bool = True

    @model_validator(mode="after")
    def _somewhere(self) -> Situation:
        if not self.number and self.flow is None:
            raise ValueError("names neither a number nor a flow; write the number that is called")
        return self


@dataclass(frozen=True, slots=True)
class Visit:
    """A step that was taken: where, the exit taken ("" where it was the last), and what the caller heard and who rang meanwhile. `at_s`: when it ended."""

    flow: str
    step: str
    kind: str
    exit: str
    leads_to: str
    said: tuple[str, ...]
    rang: tuple[str, ...]
    at_s: float


@dataclass(frozen=True, slots=True)
class Simulation:
    """`end` in one sentence; `how` for machines; `seconds` until then."""

    visits: tuple[Visit, ...]
    end: str
    how: Literal["answered", "voicemail", "ended", "refused", "emergency"]
    seconds: float


def simulate(snapshot: Snapshot, situation: Situation, now: datetime) -> Simulation:
    """Walk the call through `snapshot`. `now`: an aware time, used where the situation names none. Raises NotFound for a number or user there is none of."""
    caller = _caller(snapshot, situation)
    port = SimulatedPort(snapshot, caller, situation.number, situation.keys, _doings(snapshot, situation), situation.others, internet=situation.internet)
    urgent = meant_by(situation.number, caller, snapshot, port.view()) if situation.user is not None else None
    if isinstance(urgent, ToEmergency):
        what = "tests the emergency route" if urgent.test else "goes out as an emergency call"
        return Simulation((), f"{urgent.number} {what}, before and whatever any flow says.", "emergency", 0.0)
    zone = Library(snapshot).zone
    at = situation.at or now
    began = at.replace(tzinfo=zone) if at.tzinfo is None else at
    visits: list[Visit] = []

    def watch(graph: Graph, place: Place, way: Way) -> None:
        said, rang = port.since_last()
        leads_to = f"flow {way.flow}" if isinstance(way, Jump) else place.exits.get(way, "") if way is not None else ""
        exit = str(way) if isinstance(way, str) else ""
        visits.append(Visit(graph.id, place.id, place.node.kind, exit, leads_to, said, rang, round(port.now_s(), 1)))

    voicemail = SimulatedVoicemail()

    async def audio(sha256: str) -> Sound:
        return port.recording(sha256)

    services = Services(SimulatedSpeaker(), audio, voicemail, lambda mailbox: "?", lambda: began.astimezone(UTC) + port.elapsed())
    flows = Flows(services, watch)
    flows.prepare(snapshot)
    program = _program(flows, snapshot, situation, port)

    async def call() -> float:
        with contextlib.suppress(CallerGone):
            await program(port)
        return asyncio.get_running_loop().time()

    seconds = round(run_virtually(call()), 1)
    end, how = _end(port, voicemail, snapshot, seconds)
    return Simulation(tuple(visits), end, how, seconds)


def _caller(snapshot: Snapshot, situation: Situation) -> Caller:
    if situation.user is None:
        return Caller(situation.caller, trunk=next(iter(snapshot.trunks), None))
    entry = snapshot.users.get(UserId(situation.user))
    if entry is None or entry.user is None:
        raise NotFound(f"there is no user {quoted(situation.user)}", close(situation.user, snapshot.users) or "add the user first")
    return Caller(entry.extension, entry.name, entry.devices[0] if entry.devices else None, entry.user)


def _doings(snapshot: Snapshot, situation: Situation) -> Mapping[str, Doing]:
    """What is assumed by device or number: a user's devices do what the user does."""
    found: dict[str, Doing] = {}
    for name, doing in situation.people.items():
        entry = snapshot.users.get(UserId(name)) or snapshot.extensions.get(name)
        known = name in snapshot.devices or entry is not None
        if not known and not name.lstrip("+").isdigit():
            raise NotFound(f"there is no user or device {quoted(name)}", close(name, (*snapshot.users, *snapshot.devices)))
        found[name] = doing
        for device in entry.devices if entry is not None else ():
            found.setdefault(device, doing)
    return found


def _program(flows: Flows, snapshot: Snapshot, situation: Situation, port: SimulatedPort) -> Program:
    if situation.flow is not None:
        if situation.flow not in snapshot.site.flows:
            raise NotFound(f"There is no flow {quoted(situation.flow)}", close(situation.flow, snapshot.site.flows))
        return flows.flow(FlowId(situation.flow))
    if situation.user is not None:
        return flows.dialling(UserId(situation.user))
    if situation.number in snapshot.extensions:
        return flows.extension(situation.number)
    site = snapshot.site
    meant = dialled(situation.number, country=site.country, outside_prefix=site.outbound.outside_prefix, extensions=snapshot.extensions)
    if meant.number not in snapshot.numbers:
        hint = close(meant.number, (*snapshot.numbers, *snapshot.extensions))
        raise NotFound(f"{quoted(situation.number)} is neither a number nor an extension of this site", hint)
    port.dialled = meant.number
    return flows.number(meant.number)


def _end(
    port: SimulatedPort, voicemail: SimulatedVoicemail, snapshot: Snapshot, seconds: float
) -> tuple[str, Literal["answered", "voicemail", "ended", "refused", "emergency"]]:
    after = f"after {seconds:.0f} s"
    if port.emergency:
        return f"{port.emergency} goes out as an emergency call.", "emergency"
    if port.connected:
        return f"{port.connected} answers {after}.", "answered"
    if voicemail.kept is not None:
        box = snapshot.site.mailboxes.get(voicemail.kept)
        return f"Ends in voicemail {quoted(box.name if box is not None else voicemail.kept)} {after}.", "voicemail"
    told = port.told
    if told is not None and not port.answered:
        return f"The caller is refused {after}: {told.reason} ({told.code}).", "refused"
    return f"The call ends {after}" + (f": {told.reason}." if told is not None else "."), "ended"
