"""The flows of one revision, ready to run, and the graphs that plain destinations are made of."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

from appliance.callflow.graph import BrokenFlow, Graph, compile
from appliance.callflow.words import fixed
from appliance.site.model.flows import Flow, Step
from appliance.site.model.site import house_flow
from appliance.site.snapshot import Snapshot

log = logging.getLogger(__name__)


class Library:
    """Flows of `snapshot`, each compiled when it is first wanted. Made off the loop: it reads the time zone from disk, and loads the kinds of steps."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.zone = _zone(snapshot.site.time_zone)
        self._graphs: dict[str, Graph | None] = {}

    def compile_all(self) -> None:
        """Compile what calls would else wait for."""
        for name in self.snapshot.site.flows:
            self.flow(name)

    def flow(self, name: str) -> Graph | None:
        """The flow with this id; None where there is none, or where it cannot run."""
        if name not in self._graphs:
            flow = self.snapshot.site.flows.get(name)
            self._graphs[name] = None if flow is None else _compiled(name, flow)
        return self._graphs[name]

    def spoken(self) -> dict[str, list[str]]:
        """What the flows and the box itself say whoever calls, by language: to be made before anybody waits for it. Nothing where nothing ever speaks."""
        site = self.snapshot.site
        own = site.language
        sentences, voice = fixed(own)
        speaks = site.mailboxes or len(site.flows) > 1 or any(not user.flow for user in site.users.values())
        found: dict[str, list[str]] = {voice: list(sentences)} if speaks else {}
        for name in site.flows:
            graph = self.flow(name)
            for place in graph.places.values() if graph is not None else ():
                for text, language in place.node.says(place.settings):
                    if "{" not in text:
                        found.setdefault(language or own, []).append(text)
        return found


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # no such zone: the machine has another collection of them than the one that checked the site
        log.error("the time zone %s is not known here: schedules go by UTC", name)
        return UTC


def _compiled(name: str, flow: Flow) -> Graph | None:
    try:
        return compile(name, flow)
    except BrokenFlow as error:
        log.error("%s; it is not used", error.sentence)
        return None


# ---- graphs of plain destinations: numbers and extensions run the same steps as flows ----


def plain_house() -> Graph:
    """House dialling as the box brings it."""
    return compile("house", house_flow())


def to_extension(extension: str) -> Graph:
    """Its owner's phones, forwarding and voicemail; a flow's or a mailbox's extension is that flow or mailbox."""
    return _dial(f"extension {extension}", {"extension": extension}, forwarding=True)


def to_number(number: str) -> Graph:
    """An outside number."""
    return _dial(f"call {number}", {"number": number})


def to_group(group: str) -> Graph:
    """Everybody in a group."""
    return _dial(f"group {group}", {"group": group})


def to_mailbox(mailbox: str) -> Graph:
    """A message is left."""
    return _graph(f"voicemail {mailbox}", Step(type="voicemail", settings={"mailbox": mailbox}))


def rejected() -> Graph:
    """The call is ended at once."""
    return _graph("hang up", Step(type="hang-up", settings={"cause": "rejected"}))


def _dial(name: str, target: Mapping[str, str], *, forwarding: bool = False) -> Graph:
    return _graph(name, Step(type="dial", settings={"targets": [dict(target)], "forwarding": forwarding}))


def _graph(name: str, step: Step) -> Graph:
    return compile("-", Flow(name=name[:80], start=step.type, steps={step.type: step}))
