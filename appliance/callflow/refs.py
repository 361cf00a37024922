"""Ids in a step's settings that name other objects: checked at commit, and known to forms by `refers` in the JSON schema."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from appliance.site.model.base import Extension, Id

RefKind = Literal["user", "device", "group", "extension", "mailbox", "audio", "schedule", "flow"]


class Reference(str):
    """An id of another object of the site; `kind` says of which sort."""

    __slots__ = ("kind",)
    kind: RefKind

    @classmethod
    def to(cls, kind: RefKind, name: str) -> Reference:
        made = cls(name)
        made.kind = kind
        return made


@dataclass(frozen=True, slots=True)
class _Refers:
    kind: RefKind

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(lambda name: Reference.to(self.kind, name), handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "refers": self.kind}


UserRef = Annotated[Id, _Refers("user")]
DeviceRef = Annotated[Id, _Refers("device")]
GroupRef = Annotated[Id, _Refers("group")]
ExtensionRef = Annotated[Extension, _Refers("extension")]
MailboxRef = Annotated[Id, _Refers("mailbox")]
AudioRef = Annotated[Id, _Refers("audio")]
ScheduleRef = Annotated[Id, _Refers("schedule")]
FlowRef = Annotated[Id, _Refers("flow")]


def references(settings: BaseModel) -> Iterator[tuple[tuple[int | str, ...], Reference]]:
    """Every reference in `settings` with its place."""
    yield from _within(settings, ())


def _within(value: object, at: tuple[int | str, ...]) -> Iterator[tuple[tuple[int | str, ...], Reference]]:
    if isinstance(value, Reference):
        yield at, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _within(getattr(value, name), (*at, name))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _within(item, (*at, index))
