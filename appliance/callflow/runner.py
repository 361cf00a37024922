"""Where calls get their programs: a user's dialling, an extension, an incoming number, a text message."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Callable

from appliance.callflow import library as plain
from appliance.callflow.graph import BrokenFlow, Graph
from appliance.callflow.library import Library
from appliance.callflow.run import Run
from appliance.callflow.services import Services
from appliance.callflow.text import TextPort, TextProgram, TextRun
from appliance.callflow.walk import Watch, walk, walk_text
from appliance.callflow.words import phrase
from appliance.calls.plan import Outcome
from appliance.calls.program import Port, Program
from appliance.site.model.people import HOUSE_FLOW
from appliance.site.snapshot import Snapshot
from appliance.types import FlowId, UserId

log = logging.getLogger(__name__)

Choose = Callable[[Library], Graph | Outcome]
"""The graph a call begins with, or why it goes nowhere."""


class Flows:
    """Implements calls' Programs. `prepare` gets a revision ready before calls need it; `watch` is told every step (the simulator)."""

    def __init__(self, services: Services, watch: Watch | None = None) -> None:
        self._services = services
        self._watch = watch
        self._libraries: tuple[Library, ...] = ()

    def prepare(self, snapshot: Snapshot) -> None:
        """Compile the flows of `snapshot`. May wait for the disk: for an executor, before the snapshot comes into force."""
        library = Library(snapshot)
        library.compile_all()
        self._keep(library)

    def spoken(self, snapshot: Snapshot) -> dict[str, list[str]]:
        """What a prepared revision says whoever calls: language -> texts. May wait for the disk."""
        return self._for(snapshot).spoken()

    def dialling(self, user: UserId | None) -> Program:
        """A user's flow (rows E5, E6); a device without owner dials by the house flow (K2)."""
        return self._program(lambda library: _dialling(library, user))

    def extension(self, extension: str) -> Program:
        """What the extension stands for, with its owner's forwarding."""
        return self._program(lambda library: _extension(library, extension))

    def number(self, number: str) -> Program:
        """Where an incoming number leads (row A2)."""
        return self._program(lambda library: _number(library, number))

    def flow(self, flow: FlowId) -> Program:
        """One flow, whatever leads to it: to try it."""
        return self._program(lambda library: library.flow(flow) or Outcome(500, f"Flow {flow} Cannot Run", "error", 41))

    def text(self, user: UserId | None) -> TextProgram:
        """What becomes of a text message of this user's device (row E5)."""

        async def program(port: TextPort) -> None:
            library = self._for(port.snapshot())
            graph = _dialling(library, user)
            if isinstance(graph, Outcome):
                log.warning("text message from %s: %s", port.caller.number, graph.reason)
                await port.reply(phrase(library.snapshot.site.language, "no-flow")[0])
                return
            await walk_text(TextRun(port, self._services, library.zone), graph, library)

        return program

    def _program(self, choose: Choose) -> Program:
        async def program(port: Port) -> None:
            library = self._for(port.snapshot())
            run = Run(port, self._services, library.zone)
            try:
                graph = choose(library)
            except BrokenFlow as error:
                graph = Outcome(500, _phrase(error.sentence), "error", 41)
            if isinstance(graph, Outcome):
                await _nowhere(run, graph)
                return
            port.note(f"flow {graph.id}" if graph.id in library.snapshot.site.flows else graph.name)
            await walk(run, graph, library, self._watch)

        return program

    def _for(self, snapshot: Snapshot) -> Library:
        """The flows of the revision in force; compiled now only where nobody prepared them."""
        for library in self._libraries:
            if library.snapshot is snapshot:
                return library
        return self._keep(Library(snapshot))

    def _keep(self, library: Library) -> Library:
        """The last two: one in force, and one about to be."""
        self._libraries = (library, *self._libraries[:1])
        return library


def _dialling(library: Library, user: UserId | None) -> Graph | Outcome:
    site = library.snapshot.site
    known = site.users.get(user) if user is not None else None
    name = known.flow if known is not None else HOUSE_FLOW
    if not name:
        return Outcome(403, _phrase(f"No dialling flow is set for {known.name if known is not None else user}"), "no-flow", 21)
    # A flow that an older revision has and this version cannot run must not leave anybody without a telephone.
    return library.flow(name) or plain.plain_house()


def _extension(library: Library, extension: str) -> Graph | Outcome:
    entry = library.snapshot.extensions.get(extension)
    if entry is None:
        return Outcome(404, f"Not Found: {extension} is no extension", "refused", 1)
    return plain.to_extension(extension)


def _number(library: Library, number: str) -> Graph | Outcome:
    entry = library.snapshot.numbers.get(number)
    if entry is None:
        return Outcome(404, f"Not Found: {number} is no number of this site", "refused", 1)
    target = entry.destination.target
    match entry.destination.kind:
        case "extension":
            return _extension(library, target)
        case "number":
            return plain.to_number(target)
        case "voicemail":
            return plain.to_mailbox(target)
        case "group":
            return plain.to_group(target)
        case "flow":
            return library.flow(target) or Outcome(500, f"Flow {target} Cannot Run", "error", 41)
        case "hang-up":
            return plain.rejected()
    return Outcome(404, f"Not Found: {number} has no destination", "refused", 1)


def _phrase(text: str) -> str:
    """A reason phrase: plain characters on one line (RFC 3261 section 25.1), accents left off, short enough for a telephone's display."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return "".join(char for char in plain if char.isprintable() and char != '"')[:120]


async def _nowhere(run: Run, outcome: Outcome) -> None:
    """Say why, before an answer, so that it costs nothing; then refuse."""
    port = run.port
    port.note(outcome.reason)
    log.warning("call %s from %s to %s: %s", port.call_id, port.caller.number, port.dialled, outcome.reason)
    spoken = {"no-flow": "no-flow", "error": "fault"}.get(outcome.cause)
    if spoken is not None:
        if not port.answered:
            await port.early()
        await run.play(await run.words(spoken))
    port.hang_up(outcome)
