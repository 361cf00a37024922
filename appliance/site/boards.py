"""What the machine is for: its board file says which network interfaces and serial ports have which task (`board_configs/README.md`)."""

from __future__ import annotations

import os
import platform
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError

from appliance.errors import SettingsError
from appliance.site.model.base import Name, Part, Text
from appliance.site.wording import translate

FOLDER = Path(__file__).resolve().parents[2] / "board_configs"
OVERRIDE = "HOLDFAST_BOARD"
_MOST_BYTES = 65536


def _device(text: str) -> str:
    if not re.fullmatch(r"/dev/[\w.+:*?/-]+", text) or ".." in text:
        raise ValueError('is not a device; write its path: "/dev/ttyUSB2"')
    return text


def _interface(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.*?-]{1,15}", text):
        raise ValueError('is not the name of a network interface; letters, digits, . _ - and the jokers * and ?: "eth0", "en*"')
    return text


def _console(text: str) -> str:
    if not re.fullmatch(r"tty[A-Za-z]+[0-9]+,[0-9]{4,7}", text):
        raise ValueError('is not a console; the line and its speed: "ttyS0,115200"')
    return text


Device = Annotated[str, AfterValidator(_device)]
Interface = Annotated[str, AfterValidator(_interface)]
Role = Literal["lan", "wan"]


class Network(Part):
    """Patterns of interface names."""

    lan: tuple[Interface, ...] = Field(min_length=1)
    wan: tuple[Interface, ...] = ()


class Serial(Part):
    """Patterns of device paths, the likeliest first."""

    modem_at: tuple[Device, ...] = ()
    modem_audio: tuple[Device, ...] = ()


class Board(Part):
    """One file of `board_configs`, whose name is the board's id."""

    name: Name
    architecture: Literal["x86_64", "aarch64"]
    device_tree: tuple[Name, ...] = ()
    tested: Literal["hardware", "qemu", "none"]
    console: Annotated[str, AfterValidator(_console)]
    watchdog_s: int = Field(ge=5, le=600)
    status_led: Text = ""
    network: Network
    serial: Serial = Serial()

    def role(self, interface: str) -> Role | None:
        """What an interface of that name is for; None: the board does not say."""
        if _fits(interface, self.network.lan):
            return "lan"
        return "wan" if _fits(interface, self.network.wan) else None


@dataclass(frozen=True, slots=True)
class Link:
    """An interface that is there. `up`: its cable or radio has a connection."""

    name: str
    role: Role
    up: bool


def load(path: Path) -> Board:
    """One board file. Raises SettingsError with every mistake and its place."""
    hint = "board_configs/README.md says what a board file holds"
    try:
        with path.open("rb") as file:
            raw = tomllib.loads(file.read(_MOST_BYTES).decode())
        return Board.model_validate(raw)
    except OSError as error:
        raise SettingsError(f"The board file {path} cannot be read: {error.strerror}", hint) from error
    except ValidationError as error:
        raise SettingsError(f"The board file {path} is wrong: " + "; ".join(map(str, translate(error, root=Board))), hint) from error
    except ValueError as error:  # no TOML, no UTF-8
        raise SettingsError(f"The board file {path} is no TOML: {error}", hint) from error


def ids(folder: Path = FOLDER) -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in folder.glob("*.toml")))


def find(named: str = "", *, folder: Path = FOLDER, root: Path = Path("/"), architecture: str = "") -> tuple[str, Board]:
    """(id, board) of this machine: the one `named` by id or path, else by its device tree, else by its architecture. Reads files. Raises SettingsError."""
    if named.endswith(".toml"):
        path = Path(named)
        return path.stem, load(path)
    if named:
        if named not in ids(folder):
            raise SettingsError(f"{OVERRIDE} is {named!r}, and there is no such board", f"give one of {', '.join(ids(folder))}, or the path of a .toml file")
        return named, load(folder / f"{named}.toml")
    architecture = architecture or platform.machine()
    model = _device_tree(root)
    boards = [(each, load(folder / f"{each}.toml")) for each in ids(folder)]
    fitting = [(each, board) for each, board in boards if board.architecture == architecture]
    for each, board in fitting:
        if model and _fits(model, board.device_tree):
            return each, board
    for each, board in fitting:
        if not board.device_tree:
            return each, board
    raise SettingsError(f"There is no board file for this machine ({architecture}{', ' + model if model else ''})", "add one, as board_configs/README.md says")


def current(environment: Mapping[str, str] = os.environ) -> tuple[str, Board]:
    """The board this box runs on. Reads files. Raises SettingsError."""
    return find(environment.get(OVERRIDE, "").strip())


def links(board: Board, root: Path = Path("/")) -> tuple[Link, ...]:
    """The interfaces of this machine that have a role, LAN first."""
    there = _listed(root / "sys/class/net")
    found = (Link(path.name, role, _text(path / "operstate") == "up") for path in there if (role := board.role(path.name)))
    return tuple(sorted(found, key=lambda link: (link.role, link.name)))


def devices(patterns: Sequence[str], root: Path = Path("/")) -> tuple[str, ...]:
    """The devices that are there, in the order of `patterns`."""
    found = (path for pattern in patterns for path in sorted(root.glob(pattern.lstrip("/"))))
    return tuple(dict.fromkeys(f"/{path.relative_to(root)}" for path in found))


def modem(board: Board, root: Path = Path("/")) -> tuple[str, ...]:
    """A modem's port for commands, and behind it that of its sound; those that are there, else the likeliest. Empty: the board has no place for one."""
    wanted = [patterns for patterns in (board.serial.modem_at, board.serial.modem_audio) if patterns]
    return tuple((devices(patterns, root) or patterns)[0] for patterns in wanted) if board.serial.modem_at else ()


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _device_tree(root: Path) -> str:
    return _text(root / "proc/device-tree/model")


def _listed(folder: Path) -> Iterator[Path]:
    try:
        yield from folder.iterdir()
    except OSError:
        return


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ")
    except OSError:
        return ""
