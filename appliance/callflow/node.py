"""What a kind of step is: its settings, its exits, and what it does with a call. A new kind is a new file in `nodes`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from appliance.callflow.facts import Facts
from appliance.callflow.run import Run
from appliance.callflow.text import TextRun
from appliance.site.model.base import Part
from appliance.site.model.site import Site
from appliance.types import FlowId, UserId


class Settings(Part):
    """What a step's author decides. Forms are made of the JSON schema (`describe.fields`): `title` is a field's label, `description` its help, the extra
    `words` what the values of a choice are called; the extra `one_of` of a model names fields of which exactly one counts.
    """


@dataclass(frozen=True, slots=True)
class Exit:
    """A way out of a step.

    `required`: a flow where it leads nowhere is refused. `instead`: the exit whose way is taken where this one leads nowhere.
    `paced`: taking it has cost a person some time, so that going round through it cannot spin.
    """

    name: str
    label: str
    required: bool = False
    instead: str = ""
    paced: bool = False


@dataclass(frozen=True, slots=True)
class Jump:
    """Goes on at the start of another flow; `user`: with that user's settings from here on (row E12)."""

    flow: FlowId
    user: UserId | None = None


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong in a step's settings with this site: the place within the settings, what it is, what to do."""

    at: tuple[int | str, ...]
    sentence: str
    hint: str = ""


Way = str | Jump | None
"""Where a step leads: the exit taken, another flow, or None: the call is connected or over."""

S = TypeVar("S", bound=Settings)
NEXT = Exit("next", "then")


class Node(ABC, Generic[S]):
    """A kind of step. One object serves all steps of the kind and keeps nothing between calls.

    `kind` is the `type` in the document, `title` and `help` (one sentence) are shown to people, `icon` is the picture beside them (one of the web's).
    `plain`: the exit a text message takes where only a voice could do what the step does.
    """

    kind: ClassVar[str]
    title: ClassVar[str]
    help: ClassVar[str]
    icon: ClassVar[str] = "flow"
    plain: ClassVar[str] = "next"
    settings: type[S]

    def exits(self, settings: S) -> tuple[Exit, ...]:
        """The exits of a step with these settings, in the order they are shown."""
        del settings
        return (NEXT,)

    @abstractmethod
    async def run(self, run: Run, settings: S) -> Way:
        """Serve the caller. Every wait may be cancelled or raise CallerGone; nothing plays or records after that. An exception is a fault of the step."""

    async def text(self, run: TextRun, settings: S) -> Way:
        """The same for a text message (row E5)."""
        del run, settings
        return self.plain

    def mistakes(self, settings: S, site: Site) -> Iterator[Mistake]:
        """What is wrong with these settings in `site`, beside references that lead nowhere."""
        del settings, site
        yield from ()

    def jumps(self, settings: S, site: Site) -> Iterator[FlowId]:
        """Flows the step may go on with at once, without anybody being waited for."""
        del settings, site
        yield from ()

    def says(self, settings: S) -> Iterator[tuple[str, str]]:
        """(text, language) of what the step speaks, to be made before anybody calls; language "": the site's."""
        del settings
        yield from ()

    def describe(self) -> dict[str, Any]:
        """The kind as data, for forms and help."""
        return {"type": self.kind, "title": self.title, "help": self.help, "icon": self.icon, "settings": self.settings.model_json_schema()}


class Decision(Node[S]):
    """A step that only looks at what is known and chooses; the same for voice and text."""

    @abstractmethod
    def decide(self, facts: Facts, settings: S) -> Way:
        """The way for a call of which `facts` are known."""

    async def run(self, run: Run, settings: S) -> Way:
        return self.decide(run.facts(), settings)

    async def text(self, run: TextRun, settings: S) -> Way:
        return self.decide(run.facts(), settings)
