"""From a phone's request to the engine's answer to the bytes of a file. TFTP and HTTP differ in how they ask the engine, and in nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from provisioning import render
from provisioning.catalogue import families
from provisioning.identify import Asked, Known, identify
from provisioning.phone import Phone

Protocol = Literal["tftp", "http", "pnp"]


@dataclass(frozen=True, slots=True)
class Where:
    """Where a request came from and to. `port`: of settings over HTTP."""

    ip: str
    local_ip: str
    port: int
    protocol: Protocol


@dataclass(frozen=True, slots=True)
class Question:
    """What the engine is asked: `method` with `params`; "" method: nothing, there is no such file."""

    method: str
    params: dict[str, Any]


@dataclass(frozen=True, slots=True)
class File:
    """What a phone gets."""

    body: bytes
    content_type: str


def understand(path: str, user_agent: str, neighbour: str) -> Known:
    """`path` as the phone wrote it: its last part counts."""
    return identify(Asked(path.replace("\\", "/").rpartition("/")[2], user_agent, neighbour))


def question(known: Known, where: Where, token: str = "", settings: bool = False) -> Question:
    """`settings`: the file below the phone's own address, `token`; else its first file."""
    params = {
        "mac": known.mac,
        "ip": where.ip,
        "local_ip": where.local_ip,
        "port": where.port,
        "family": known.family.id if known.family else "",
        "model": known.model.id if known.model else "",
        "written": known.written[:60],
        "firmware": known.firmware[:60],
        "protocol": where.protocol,
        "agree": known.agree,
        "event": known.family.notify if known.family else "",
    }
    if settings:
        return Question("phones.settings", {**params, "token": token})
    # Files that must be missing are asked for, too: that is how a phone that waits for its owner is seen.
    return Question("phones.first" if known.mac and known.family else "", params)


def wants_settings(path: str) -> bool:
    """Whether the name is that of a family's settings file."""
    name = path.rpartition("/")[2].casefold()
    return any(_settings_name(family.settings, name) for family in families().values())


def _settings_name(pattern: str, name: str) -> bool:
    before, found, after = pattern.partition("{mac}")
    if not found:
        return name == pattern
    return name.startswith(before) and name.endswith(after) and len(name) == len(before) + 12 + len(after)


def file_for(known: Known, result: dict[str, Any], settings: bool = False) -> File | None:
    """The file from the engine's answer; None: there is none for this phone. ValueError: the engine said what no phone can be told."""
    told, family = result["phone"], known.family.id if known.family else result["family"]
    if told is None or family not in families() or (not settings and known.role != "first"):
        return None
    try:
        phone = Phone.model_validate(told)
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, each["loc"])) for each in error.errors())
        raise ValueError(f"the site says what no phone can be told: {fields}") from None  # the values may be secrets
    body = render.settings(family, phone) if settings else render.first_file(family, phone)
    return File(body, families()[family].content_type)
