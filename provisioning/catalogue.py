"""The phone families and models that are known: one data file each, read once."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from provisioning.phone import Neutral

Role = Literal["first", "absent", "upload"]
MAC = r"(?P<mac>[0-9a-f]{2}(?:[:-]?[0-9a-f]{2}){5})"


def _compiles(text: str) -> str:
    re.compile(text.replace("{mac}", MAC))
    return text


Regex = Annotated[str, AfterValidator(_compiles)]


class Route(Neutral):
    """A file the phone asks for. `paths` are regular expressions over its name alone, without regard to case; `{mac}` in one is the phone's."""

    paths: tuple[Regex, ...]
    role: Role
    """`first`: the phone's own first file, without a secret, which leads to its settings. `absent`: must be answered with "not found"; the phone
    stops asking, or takes the wrong one, if it is there. `upload`: the phone writes its logs there; taken and thrown away."""


class Maps(Neutral):
    """What the maker calls things."""

    transport: dict[Literal["udp", "tcp", "tls"], str]
    codec: dict[Literal["pcmu", "pcma", "g722", "opus"], str]
    p: dict[str, str] = Field(default_factory=dict)
    """Number of each named value, for models without names."""


class Family(Neutral):
    """One maker's phones: `families/<id>.toml`, with the templates `<id>.first.j2` and `<id>.j2`."""

    id: str
    name: str
    ouis: tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{6}$")], ...]
    user_agents: tuple[Regex, ...]
    """Regular expressions with the groups `model`, and where it is told `firmware` and `mac`."""
    pnp_vendors: tuple[str, ...]
    """As written in the `vendor` of an ua-profile subscription."""
    pnp_file: str = ""
    """What is put behind the server's address in a plug and play answer; "": nothing, the phone adds its own file names."""
    notify: str
    """The event that makes a phone fetch its settings again."""
    format: Literal["lines", "xml"]
    content_type: str
    settings: str
    """Name of the settings file below the phone's own address."""
    routes: tuple[Route, ...]
    map: Maps


class Model(Neutral):
    """One model: `models/<id>.toml`."""

    id: str
    family: str
    name: str
    as_written: tuple[str, ...]
    """The model as a User-Agent or a file name has it, without regard to case."""
    lines: int = Field(default=1, ge=1)
    p_values: bool = False


def _read(folder: str) -> list[tuple[str, Traversable]]:
    found = [each for each in files("provisioning").joinpath(folder).iterdir() if each.name.endswith(".toml")]
    return [(each.name.removesuffix(".toml"), each) for each in sorted(found, key=lambda each: each.name)]


@cache
def families() -> dict[str, Family]:
    """By id."""
    return {id: Family.model_validate({"id": id, **tomllib.loads(file.read_text("utf-8"))}) for id, file in _read("families")}


@cache
def models() -> dict[str, Model]:
    """By id."""
    return {id: Model.model_validate({"id": id, **tomllib.loads(file.read_text("utf-8"))}) for id, file in _read("models")}


def model_named(family: str, written: str) -> Model | None:
    """The model of a family as a phone writes it."""
    wanted = written.casefold()
    return next((model for model in models().values() if model.family == family and wanted in (name.casefold() for name in model.as_written)), None)


def family_of(mac: str) -> Family | None:
    """By the maker's part of a MAC address (12 hexadecimal digits)."""
    return next((family for family in families().values() if mac[:6] in family.ouis), None)
