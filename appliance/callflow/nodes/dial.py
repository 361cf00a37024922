"""Dial: rings users, devices, groups, extensions and outside numbers, or what was dialled (rows E11, E12, K5, K7)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from appliance.callflow import ringing
from appliance.callflow.callee import flow_of
from appliance.callflow.node import Exit, Jump, Mistake, Node, Settings, Way
from appliance.callflow.refs import DeviceRef, ExtensionRef, GroupRef, UserRef
from appliance.callflow.run import Run
from appliance.callflow.text import TextRun
from appliance.calls.program import RingTarget
from appliance.site.countries import COUNTRIES
from appliance.site.model.people import HOUSE_FLOW
from appliance.site.model.site import Site
from appliance.site.snapshot import emergency_numbers
from appliance.types import DeviceId, FlowId, UserId

MOST_TARGETS = 50


def _diallable(number: str) -> str:
    digits = number.removeprefix("+")
    if not 1 <= len(digits) <= 20 or any(key not in "0123456789*#" for key in digits):
        raise ValueError('is not a number that can be dialled; write it as it is dialled here, or in full: "+12125550123"')
    return number


Number = Annotated[str, AfterValidator(_diallable)]


class DialTarget(Settings):
    """Exactly one of the first six says whom it rings."""

    model_config = ConfigDict(json_schema_extra={"one_of": ["user", "device", "group", "extension", "number", "dialled"], "title": "Whom"})

    user: UserRef | None = Field(None, description="All phones of this user.")
    device: DeviceRef | None = Field(None, title="Phone", description="This device alone.")
    group: GroupRef | None = Field(None, description="Everybody in this group.")
    extension: ExtensionRef | None = Field(None, description="Whatever has this extension.")
    number: Number | None = Field(None, title="Outside number", description="An outside number, as a person of this site dials it.")
    dialled: bool = Field(False, title="What the caller dialled", description="Whatever the caller dialled.")
    delay_seconds: int = Field(0, ge=0, le=300, title="Starts after", description="Rings so long after the step began.")
    ring_seconds: int = Field(0, ge=0, le=600, title="Rings for", description="Rings so long; 0: as long as is set for the one who is called.")

    @model_validator(mode="after")
    def _one(self) -> DialTarget:
        named = [name for name in ("user", "device", "group", "extension", "number", "dialled") if getattr(self, name) not in (None, False)]
        if len(named) != 1:
            said = f"names {' and '.join(named)}" if named else "names nobody"
            raise ValueError(f"{said}; name exactly one of user, device, group, extension, number, dialled = true")
        return self

    def target(self) -> RingTarget:
        """As calls know it."""
        return RingTarget(
            user=UserId(self.user) if self.user is not None else None,
            device=DeviceId(self.device) if self.device is not None else None,
            group=self.group,
            extension=self.extension or "",
            number=self.number or "",
            dialled=self.dialled,
            delay_s=float(self.delay_seconds),
            ring_s=float(self.ring_seconds),
        )


class DialSettings(Settings):
    targets: tuple[DialTarget, ...] = Field(
        min_length=1, max_length=MOST_TARGETS, title="Who rings", description="Who rings: together, or each after its own delay."
    )
    ring_seconds: int = Field(0, ge=0, le=600, title="Rings for", description="The step ends after this time; 0: when the last one has rung its time.")
    forwarding: bool = Field(
        False,
        title="Apply their own forwarding",
        description="Apply the called user's own forwarding, follow-me and voicemail. Off: the step rings and does nothing else. "
        "Where several are rung, only follow-me counts: the lists and voicemail are one person's.",
    )


class Dial(Node[DialSettings]):
    """A target that is a flow, or a user who is one, makes that flow go on instead (row E12)."""

    kind = "dial"
    title = "Dial"
    help = "Rings users, devices, groups, extensions and outside numbers, together or staggered; the first to answer has the call."
    icon = "phone"
    plain = "failed"
    settings = DialSettings

    def exits(self, settings: DialSettings) -> tuple[Exit, ...]:
        return ringing.EXITS

    async def run(self, run: Run, settings: DialSettings) -> Way:
        ring = ringing.with_forwarding if settings.forwarding else ringing.literally
        return await ring(run, [target.target() for target in settings.targets], float(settings.ring_seconds))

    async def text(self, run: TextRun, settings: DialSettings) -> Way:
        targets = [target.target() for target in settings.targets]
        for target in targets:
            if (other := flow_of(target, run.port.dialled, run.snapshot)) is not None:
                return Jump(other.flow, other.user)
        taken = [await run.port.send(target, run.port.text) for target in targets]
        return None if True in taken else self.plain

    def mistakes(self, settings: DialSettings, site: Site) -> Iterator[Mistake]:
        urgent = emergency_numbers(COUNTRIES.get(site.country), site.emergency)
        for index, target in enumerate(settings.targets):
            number = target.number or ""
            if number in urgent or number.removeprefix(site.outbound.outside_prefix) in urgent:
                yield Mistake(("targets", index, "number"), f"{number} is an emergency number", "people call it past every flow; leave it out")
            user = site.users.get(target.user or "")
            if user is not None and user.mode == "flow" and not user.flow:
                yield Mistake(("targets", index, "user"), f"{user.name} is a flow without a flow, so nothing would happen", "give the user a flow")

    def jumps(self, settings: DialSettings, site: Site) -> Iterator[FlowId]:
        for target in settings.targets:
            user = site.users.get(target.user or "")
            if user is not None and user.mode == "flow":
                yield FlowId(user.flow or HOUSE_FLOW)
                return


NODE = Dial()
