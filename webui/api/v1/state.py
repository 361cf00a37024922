"""What goes on now and what went on, as the engine knows it: status, phones, calls, history, traces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from appliance.control.client import (
    AbsentShape,
    AlarmShape,
    CallShape,
    DiagnosisResult,
    EmergencyTestResult,
    HangupResult,
    HealthResult,
    LineTestShape,
    NetworkResult,
    NoticeShape,
    OriginateResult,
    PageResult,
    PastCallShape,
    RegistrationShape,
    SoundResult,
    StatusResult,
    TraceResult,
    TransferResult,
)
from appliance.errors import NotFound
from webui.api.v1.operation import Ask, Filled, Reply, operation
from webui.api.v1.paging import PageQuery, Query, cursor, page, read_cursor, read_number
from webui.engine import engine

BOX, CALLS, EMERGENCY = "Box", "Calls", "Emergency"
ANSWER_S = 5.0
DIALLED = r"^[A-Za-z0-9*#+.:_-]{1,64}$"
"""What can be dialled, as calls.originate takes it."""
NAME = r"^[^\x00-\x1f]{1,64}$"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OriginateBody(_Body):
    extension: str = Field(pattern=NAME, description="Whose phones ring first: an extension with phones.")
    to: str = Field(pattern=DIALLED, description="What is called then, as if dialled on the phone that was picked up. No emergency number.")


class TransferBody(_Body):
    to: str = Field(pattern=DIALLED, description="Where the other party goes, as the transferring phone would dial it. No emergency number.")
    by: str = Field(default="", max_length=64, description="Number or device of the party that transfers the other; empty: who was called, else who called.")


class TestBody(_Body):
    extension: str = Field(pattern=NAME, description="Whose emergency call is tried out.")
    call: bool = Field(default=False, description="Also place a call to the test number; takes up to 45 s.")


class LineTestBody(_Body):
    trunk: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="The trunk, as what is in force has it; the modem has POST /modem/calls.")
    to: str = Field(min_length=1, max_length=40, description="An outside number as people write it. No emergency number.")


class PageBody(_Body):
    to: list[Annotated[str, Field(min_length=1, max_length=64)]] = Field(default_factory=list, max_length=100, description="Extensions, and ids of groups.")
    everybody: bool = Field(default=False, description="Every phone of the site, instead of `to`.")
    phone: str = Field(default="", max_length=64, description="An extension whose phones ring first: who takes one up speaks. Or `text` or `audio`.")
    text: str = Field(default="", max_length=1000, description="What is spoken.")
    audio: str = Field(default="", max_length=63, description="The id of a recording of the site.")
    seconds: int = Field(default=120, ge=5, le=900, description="It ends after this time at the latest.")


class AcknowledgeBody(_Body):
    by: str = Field(default="", max_length=80, description="Who saw it; empty: the name of the token or person that asks.")


class TraceQuery(Query):
    of: str = Field(default="", max_length=300, description="A SIP Call-ID, the id of a call, an extension or a number; empty: the list of the latest calls.")
    limit: int = Field(default=400, ge=1, le=2000, description="How many messages at most.")


class AlarmsAnswer(TypedDict):
    """What keeps the box from working as it should. Empty: nothing does."""

    alarms: list[AlarmShape]


def ask_engine(method: str, **params: Any) -> Any:
    """Have the engine answer. Raises ControlError (503 where it does not run)."""
    return engine().call(method, timeout_s=ANSWER_S, **params)


# ---- the box -----------------------------------------------------------------------------------------------------


@operation("GET", "/status", id="status", tag=BOX, scope="read", answers={200: StatusResult})
def status(ask: Ask) -> Reply:
    """How the box is: revision in force, phones, trunks, emergency readiness, alarms."""
    return Reply(ask_engine("status"))


@operation("GET", "/network", id="network", tag=BOX, scope="read", answers={200: NetworkResult}, heavy=True)
def network(ask: Ask) -> Reply:
    """How the network is, as the box sees it. Its addresses, its way out, name servers, clock, who is on the wire; nothing is changed."""
    return Reply(ask_engine("network"))


@operation("GET", "/alarms", id="alarms", tag=BOX, scope="read", answers={200: AlarmsAnswer})
def alarms(ask: Ask) -> Reply:
    """What keeps the box from working as it should."""
    return Reply({"alarms": ask_engine("status")["alarms"]})


@operation("GET", "/health", id="health", tag=BOX, scope="read", answers={200: HealthResult})
def health(ask: Ask) -> Reply:
    """How the machine under the box is. Each check with its level and cure, the box's processes, and the last hour."""
    return Reply(ask_engine("health"))


@operation("GET", "/diagnosis", id="diagnosis", tag=BOX, scope="read", answers={200: DiagnosisResult})
def diagnosis(ask: Ask) -> Reply:
    """What does not work and what to do about it. Phones that cannot sign in, are silent or dial into nothing, and calls that sounded bad."""
    return Reply(ask_engine("diagnosis"))


@operation("GET", "/registrations", id="registrations", tag=BOX, scope="read", query=PageQuery, answers={200: Filled(RegistrationShape, listed=True)})
def registrations(ask: Ask) -> Reply:
    """Phones that are registered now. One entry for each contact."""
    rows: Sequence[RegistrationShape] = ask_engine("registrations")["registrations"]
    return Reply(page(sorted(rows, key=_contact), _contact, ask.query))


@operation("GET", "/registrations/absent", id="registrations.absent", tag=BOX, scope="read", query=PageQuery, answers={200: Filled(AbsentShape, listed=True)})
def absent(ask: Ask) -> Reply:
    """Phones of the site that are not registered. Nothing rings them."""
    rows: Sequence[AbsentShape] = ask_engine("registrations")["absent"]
    return Reply(page(sorted(rows, key=lambda row: row["device"]), lambda row: row["device"], ask.query))


def _contact(row: RegistrationShape) -> str:
    return f"{row['device']} {row['contact']}"[:200]


@operation("GET", "/trace", id="trace", tag=BOX, scope="read", query=TraceQuery, answers={200: TraceResult})
def trace(ask: Ask) -> Reply:
    """SIP messages the box remembers, for a ladder. Of one call, phone or number, oldest first; passwords are masked."""
    return Reply(ask_engine("trace", selector=ask.query.of, limit=ask.query.limit))


# ---- calls -------------------------------------------------------------------------------------------------------


@operation("GET", "/calls", id="calls.list", tag=CALLS, scope="read", query=PageQuery, answers={200: Filled(CallShape, listed=True)})
def calls(ask: Ask) -> Reply:
    """Calls that are up now."""
    return Reply(page(sorted(ask_engine("calls")["calls"], key=lambda row: row["id"]), lambda row: row["id"], ask.query))


@operation("GET", "/calls/{id}", id="calls.get", tag=CALLS, scope="read", answers={200: CallShape})
def call(ask: Ask, id: str) -> Reply:
    """One call that is up now."""
    found = next((row for row in ask_engine("calls")["calls"] if row["id"] == id), None)
    if found is None:
        raise NotFound("There is no such call", "it may be over: GET /api/v1/history")
    return Reply(found)


@operation("POST", "/calls", id="calls.originate", tag=CALLS, scope="calls", body=OriginateBody, answers={202: OriginateResult}, refusals=(404, 409))
def originate(ask: Ask) -> Reply:
    """Begin a call for somebody. Their phones ring; whoever picks up has dialled `to`. An emergency number is refused: a person at a phone dials it."""
    said = ask_engine("calls.originate", extension=ask.body.extension, to=ask.body.to)
    return Reply(said, 202, location=f"/calls/{said['call']}")


@operation("POST", "/calls/{id}/hangup", id="calls.hangup", tag=CALLS, scope="calls", answers={200: HangupResult}, refusals=(409,))
def hangup(ask: Ask, id: str) -> Reply:
    """End a call."""
    return Reply(ask_engine("calls.hangup", call=_call(id)))


@operation("POST", "/calls/{id}/transfer", id="calls.transfer", tag=CALLS, scope="calls", body=TransferBody, answers={202: TransferResult}, refusals=(409,))
def transfer(ask: Ask, id: str) -> Reply:
    """Transfer the other party of a call, as one party's phone would without asking first. Where nobody answers, the call is as before."""
    return Reply(ask_engine("calls.transfer", call=_call(id), to=ask.body.to, by=ask.body.by), 202)


@operation("POST", "/pages", id="calls.page", tag=CALLS, scope="calls", body=PageBody, answers={202: PageResult}, refusals=(404, 409), heavy=True)
def paged(ask: Ask) -> Reply:
    """Have free phones pick up by themselves and hear somebody, a text or a recording. A phone that is on a call is left alone. Hang up the call to end it."""
    said = ask_engine("calls.page", **ask.body.model_dump())
    return Reply(said, 202, location=f"/calls/{said['call']}")


@operation("POST", "/line-tests", id="trunks.test", tag=CALLS, scope="calls", body=LineTestBody, answers={202: LineTestShape}, refusals=(404, 409))
def line_test(ask: Ask) -> Reply:
    """Try out a trunk with a call. Whoever answers hears a sentence; `line_test` of GET /status tells how it goes."""
    return Reply(ask_engine("trunks.test", trunk=ask.body.trunk, to=ask.body.to), 202, location="/status")


def _call(id: str) -> str:
    if len(id) > 200:
        raise NotFound("There is no such call", "GET /api/v1/calls lists them")
    return id


class HistoryQuery(PageQuery):
    search: str = Field(default="", max_length=100, description="Words that all stand in the numbers, names, user or trunk of a call.")
    user: str = Field(
        default="", max_length=63, description="Calls of the user with this id alone: made by him, to one of his numbers, or answered on his phones."
    )
    direction: Literal["", "in", "out", "internal", "emergency"] = Field(default="", description="Which way they went.")
    outcome: str = Field(default="", max_length=40, description="`answered`, `unanswered` (whatever the cause), or one cause, like `busy`.")
    bad_sound: bool = Field(default=False, description="Calls that sounded bad alone.")
    since_unix_s: float = Field(default=0.0, ge=0, le=1e11, description="Calls that began then or later.")
    until_unix_s: float = Field(default=0.0, ge=0, le=1e11, description="Calls that began before then; 0: whenever.")


@operation("GET", "/history", id="history", tag=CALLS, scope="read", query=HistoryQuery, answers={200: Filled(PastCallShape, listed=True)}, refusals=(404,))
def history(ask: Ask) -> Reply:
    """Calls that are over, newest first."""
    limit: int = ask.query.limit
    wanted = ask.query.model_dump(exclude={"limit", "cursor"})
    rows = ask_engine("calls.history", limit=limit + 1, before=read_number(ask.query.cursor) or 0, **wanted)["calls"]
    return Reply({"items": rows[:limit], "next": cursor(str(rows[limit - 1]["serial"])) if len(rows) > limit else None})


@operation("GET", "/history/{id}", id="history.get", tag=CALLS, scope="read", answers={200: PastCallShape})
def past(ask: Ask, id: str) -> Reply:
    """One call that is over."""
    rows = ask_engine("calls.history", limit=1, call=_call(id))["calls"]
    if not rows:
        raise NotFound("There is no such call in the log", "it may be up: GET /api/v1/calls")
    return Reply(rows[0])


@operation("GET", "/calls/{id}/sound", id="calls.sound", tag=CALLS, scope="read", answers={200: SoundResult})
def sound(ask: Ask, id: str) -> Reply:
    """How a call sounds, up or over. Scores, loss and jitter for each side, and what is wrong."""
    return Reply(ask_engine("calls.sound", call=_call(id)))


# ---- emergency ---------------------------------------------------------------------------------------------------


@operation("GET", "/emergency/notices", id="emergency.notices", tag=EMERGENCY, scope="read", query=PageQuery, answers={200: Filled(NoticeShape, listed=True)})
def notices(ask: Ask) -> Reply:
    """Emergency calls that people on site should know of, newest first."""
    rows: list[NoticeShape] = ask_engine("emergency.notices", limit=500)["notices"]
    if ask.query.cursor:
        seen = read_cursor(ask.query.cursor)
        at = next((index for index, row in enumerate(rows) if row["id"] == seen), None)
        rows = rows[at + 1 :] if at is not None else []
    here = rows[: ask.query.limit]
    return Reply({"items": here, "next": cursor(here[-1]["id"]) if len(rows) > len(here) else None})


@operation(
    "POST", "/emergency/notices/{id}/acknowledge", id="emergency.acknowledge", tag=EMERGENCY, scope="calls", body=AcknowledgeBody, answers={200: NoticeShape}
)
def acknowledge(ask: Ask, id: str) -> Reply:
    """Say that somebody saw the notice. The first who says so stays."""
    if len(id) > 200:
        raise NotFound("There is no such notice", "GET /api/v1/emergency/notices lists them")
    return Reply(ask_engine("emergency.acknowledge", notice=id, by=ask.body.by or ask.who.name[:80])["notice"])


@operation(
    "POST", "/emergency/test", id="emergency.test", tag=EMERGENCY, scope="calls", body=TestBody, answers={200: EmergencyTestResult}, refusals=(404, 409)
)
def test(ask: Ask) -> Reply:
    """Try out what an emergency call of a phone would say and where it would go. With `call` also by a call to the test number."""
    return Reply(ask_engine("emergency.test", extension=ask.body.extension, call=ask.body.call))
