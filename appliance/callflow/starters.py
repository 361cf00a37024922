"""Flows to begin with: each whole in its steps and exits; what only the installer knows (who, which hours) is left open, a mistake until it is set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from appliance.site.model.flows import Flow, Step


@dataclass(frozen=True, slots=True)
class Starter:
    """A flow without a name yet."""

    id: str
    title: str
    help: str
    start: str
    steps: dict[str, Step]

    def flow(self, name: str) -> Flow:
        return Flow(name=name, start=self.start, steps=self.steps)


def _step(kind: str, settings: dict[str, Any] | None = None, **exits: str) -> Step:
    return Step(type=kind, settings=settings or {}, exits={name.replace("_", "-").removeprefix("key-"): to for name, to in exits.items()})


_RING = {"no_answer": "voicemail", "busy": "voicemail", "failed": "voicemail"}

STARTERS = (
    Starter("empty", "Empty", "One step that ends the call.", "end", {"end": _step("hang-up")}),
    Starter(
        "ring", "Ring, then voicemail", "Rings whom you choose; what nobody answers ends in a voicemail box.", "ring",
        {"ring": _step("dial", None, **_RING), "voicemail": _step("voicemail")},
    ),
    Starter(
        "hours", "Opening hours", "Rings during opening hours; at other times it says that you are closed and takes a message.", "hours",
        {
            "hours": _step("schedule", None, open="ring", closed="closed"),
            "ring": _step("dial", None, **_RING),
            "closed": _step("say", {"text": "We are closed now. You can leave a message after the tone."}, next="voicemail"),
            "voicemail": _step("voicemail"),
        },
    ),
    Starter(
        "menu", "Menu", "Greets the caller and goes the way of the key pressed; who presses nothing is rung through.", "menu",
        {
            "menu": _step(
                "prompt", {"text": "Welcome. Press 1 for sales, 2 for service.", "choices": ["1", "2"]},
                key_1="sales", key_2="service", timeout="sales",
            ),
            "sales": _step("dial", None, **_RING),
            "service": _step("dial", None, **_RING),
            "voicemail": _step("voicemail"),
        },
    ),
)  # fmt: skip
