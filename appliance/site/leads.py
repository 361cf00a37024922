"""Where a call to a number can lead, hop by hop, as the document alone says: what its flow names, whom it rings, what comes when nobody answers.

An outline for people. What becomes of one call at one moment is said by a simulation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from appliance.site.sentences import DESTINATIONS, NOUNS, Names
from appliance.site.uses import references

MOST_LEVELS = 6
_RUNG = ("users", "devices", "groups", "mailboxes", "flows")
"""Kinds a call comes to; where two have the same extension, the first counts here."""


@dataclass(frozen=True, slots=True)
class Stop:
    """A place a call comes to. `kind`: a kind of objects, `number` (outside), `extension` (one that nothing has), `hang-up` or `none`; `id`: which one.

    `schedules`: those by which a flow decides. `onward`: its own forwarding counts here.
    """

    kind: str
    id: str = ""
    schedules: tuple[str, ...] = ()
    onward: bool = True

    def words(self, names: Names) -> str:
        """In one line: `user Dana Whitcomb`."""
        told = {"number": f"outside number {self.id}", "extension": f"extension {self.id}, which nobody has", "hang-up": "hang up", "none": "nowhere"}
        if self.kind in told:
            return told[self.kind]
        if not names.has(self.kind, self.id):
            return f"{NOUNS[self.kind]} {self.id}, which does not exist"
        by = " and ".join(names.of("schedules", each) for each in self.schedules)
        return f"{NOUNS[self.kind]} {names.of(self.kind, self.id)}" + (f" by the hours of {by}" if by else "")

    @property
    def lost(self) -> bool:
        """A caller who comes here reaches nobody, and nobody wants that."""
        return self.kind in {"none", "extension"}


class Leads:
    """Of one document, which may hold mistakes."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._there = {kind: _objects(document.get(kind)) for kind in _RUNG}
        self._extensions: dict[str, tuple[str, str]] = {}
        for kind in _RUNG:
            for id, held in self._there[kind].items():
                for extension in (held.get("extension"), *_list(held.get("extensions"))):
                    self._extensions.setdefault(str(extension), (kind, id))
        self._boxes: dict[str, str] = {}
        for id, held in self._there["mailboxes"].items():
            self._boxes.setdefault(str(held.get("owner")), id)

    def behind(self, destination: Any) -> list[list[Stop]]:
        """The stops behind a number's `destination`, by how many hops away they are; each once."""
        levels, here, met = list[list[Stop]](), [self._first(destination)], set[tuple[str, str]]()
        while here and len(levels) < MOST_LEVELS:
            level = [stop for stop in dict.fromkeys(here) if (stop.kind, stop.id) not in met]
            met |= {(stop.kind, stop.id) for stop in level}
            if level:
                levels.append(level)
            here = [after for stop in level for after in self._after(stop)]
        return levels

    def _first(self, destination: Any) -> Stop:
        if isinstance(destination, str):
            destination = {"kind": "extension", "target": destination}
        held = destination if isinstance(destination, Mapping) else {}
        kind, target = str(held.get("kind") or "none"), str(held.get("target") or "")
        return self._of_extension(target) if kind == "extension" else self._stop(DESTINATIONS.get(kind, kind), target)

    def _stop(self, kind: str, id: str, onward: bool = True) -> Stop:
        schedules = dict.fromkeys(named for _, of, named in self._named(id) if of == "schedules") if kind == "flows" else ()
        return Stop(kind, id, tuple(schedules), onward)

    def _of_extension(self, extension: str, onward: bool = True) -> Stop:
        found = self._extensions.get(extension)
        return Stop("extension", extension) if found is None else self._stop(*found, onward)

    def _after(self, stop: Stop) -> Iterator[Stop]:
        held = self._there.get(stop.kind, {}).get(stop.id, {})
        match stop.kind:
            case "users" if held.get("mode") == "flow":
                yield self._stop("flows", str(held.get("flow") or ""))
            case "users" if stop.onward:
                yield from self._forwarded(stop.id, held)
            case "groups":
                for kind in ("users", "devices"):
                    yield from (Stop(kind, str(each), onward=False) for each in _list(held.get(kind)))
            case "flows":
                for onward, kind, id in self._named(stop.id):
                    if kind == "extension":
                        yield self._of_extension(id, onward)
                    elif kind in _RUNG or kind == "number":
                        yield self._stop(kind, id, onward)
            case _:
                pass

    def _forwarded(self, user: str, held: Mapping[str, Any]) -> Iterator[Stop]:
        """What comes after the phones of a user, or instead of them."""
        forwarding = held.get("forwarding")
        rules = forwarding if isinstance(forwarding, Mapping) else {}
        for line in _list(rules.get("follow_me" if rules.get("follow_me_on") else "no_answer")):
            if isinstance(line, Mapping) and line.get("user"):
                yield Stop("users", str(line["user"]), onward=False)
            elif isinstance(line, Mapping) and line.get("number"):
                yield Stop("number", str(line["number"]))
        if rules.get("voicemail", True) and user in self._boxes:
            yield Stop("mailboxes", self._boxes[user])

    def _named(self, flow: str) -> Iterator[tuple[bool, str, str]]:
        """(whether their own forwarding counts, kind, id) of what the steps of a flow name, in the order a call meets them."""
        held = self._there["flows"].get(flow, {})
        steps = _objects(held.get("steps"))
        met, waiting = dict[str, None](), [str(held.get("start", ""))]
        while waiting:
            key = waiting.pop(0)
            if key in steps and key not in met:
                met[key] = None
                exits = steps[key].get("exits")
                waiting += [str(to) for to in exits.values()] if isinstance(exits, Mapping) else []
        for key in met:
            settings = steps[key].get("settings")
            if not isinstance(settings, Mapping):
                continue
            onward = settings.get("forwarding") is True
            yield from ((onward, of, id) for _, of, id in references({"settings": settings}))
            for target in _list(settings.get("targets")):
                if isinstance(target, Mapping):
                    yield from ((onward, name, str(target[name])) for name in ("extension", "number") if target.get(name))


def _objects(value: Any) -> dict[str, Mapping[str, Any]]:
    return {str(key): held for key, held in value.items() if isinstance(held, Mapping)} if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []
