"""The box's settings, read once from HOLDFAST_* environment variables and refused as a whole when one is wrong."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import SettingsError
from appliance.network.links import private_addresses

UNIX_PATH_LIMIT = 107
"""Bytes of a Unix socket's path: sun_path of unix(7) less its closing NUL."""

LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment decides; everything else is in the site document.

    `bind`: IP literals, loopback first by default. Ports are 1-65535. `rescue` and `crashes` are set by the supervisor for the engine.
    """

    data: Path
    bind: tuple[str, ...]
    control: Path
    sip_port: int = 5060
    sip_tls_port: int = 5061
    http_port: int = 8080
    provisioning_port: int = 8081
    tftp_port: int = 69
    site: Path | None = None
    log: str = "info"
    rescue: bool = False
    crashes: int = 0
    modem: tuple[Path, ...] = ()
    """A modem's port for commands, and the one its calls' sound comes over; empty: there is none."""
    sysfs: Path = Path("/sys")
    """Where the kernel tells of the board's sensors."""
    netd: Path | None = None
    """Socket of a netd that somebody else looks after (a systemd unit of its own); None: the supervisor starts one."""
    safe_networks: tuple[str, ...] = ()
    """Networks outside that the firewall lets in from the first start, before the site's own safe list has anything: who installs from afar stays connected."""

    @property
    def run(self) -> Path:
        """Folder for what lives only while the box runs: sockets and the supervisor's state."""
        return self.data / "run"

    @property
    def netd_socket(self) -> Path:
        """Where what changes the network is asked."""
        # For `control.sock` it is `control.netd`: no longer than the one beside it, whose length is checked.
        return self.netd or self.control.with_name(f"{self.control.name[:-5]}.netd")

    @classmethod
    def from_env(cls, env: Mapping[str, str], discover: Callable[[], tuple[str, ...]] = private_addresses) -> Settings:
        """Read and check every variable; an empty one counts as unset. `discover` gives the machine's private addresses.

        Raises SettingsError naming the variable, its value and what to do.

        Touches neither disk nor network beyond `discover`, and the board file where HOLDFAST_MODEM says so.
        """
        data = _folder(env)
        control = _path(env, "HOLDFAST_CONTROL") or data / "run" / "control.sock"
        _check_socket_path(control)
        settings = cls(
            data=data,
            bind=_bind(env, discover),
            control=control,
            sip_port=_port(env, "HOLDFAST_SIP_PORT", 5060),
            sip_tls_port=_port(env, "HOLDFAST_SIP_TLS_PORT", 5061),
            http_port=_port(env, "HOLDFAST_HTTP_PORT", 8080),
            provisioning_port=_port(env, "HOLDFAST_PROVISIONING_PORT", 8081),
            tftp_port=_port(env, "HOLDFAST_TFTP_PORT", 69),
            site=_site(env),
            log=_choice(env, "HOLDFAST_LOG", LOG_LEVELS, "info"),
            rescue=_choice(env, "HOLDFAST_RESCUE", ("0", "1"), "0") == "1",
            crashes=_count(env, "HOLDFAST_CRASHES"),
            modem=_modem(env),
            netd=_path(env, "HOLDFAST_NETD"),
            safe_networks=_networks(env, "HOLDFAST_SAFE_NETWORKS"),
            sysfs=_path(env, "HOLDFAST_SYSFS") or Path("/sys"),
        )
        if settings.netd is not None:
            _check_socket_path(settings.netd, "HOLDFAST_NETD")
        _check_distinct(settings)
        return settings


def _folder(env: Mapping[str, str]) -> Path:
    named = _path(env, "HOLDFAST_DATA")
    if named is not None:
        return named
    state = env.get("XDG_STATE_HOME", "")
    # The XDG specification has relative values ignored.
    base = Path(state) if state.startswith("/") else Path(env.get("HOME") or Path.home()) / ".local" / "state"
    return base / "holdfast"


def _path(env: Mapping[str, str], name: str) -> Path | None:
    value = env.get(name, "").strip()
    if not value:
        return None
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError as error:  # ~nobody-of-that-name
        raise SettingsError(f"{name} is {value!r}, whose home folder is unknown", "give an absolute path") from error


def _check_socket_path(path: Path, variable: str = "HOLDFAST_CONTROL") -> None:
    size = len(bytes(path))
    if size > UNIX_PATH_LIMIT:
        what = "control socket's path" if variable == "HOLDFAST_CONTROL" else "path of netd's socket"
        raise SettingsError(
            f"The {what} {path} is {size} bytes long, and the system allows {UNIX_PATH_LIMIT}",
            f"set {variable} to a shorter path, for example /run/holdfast.sock",
        )


def _bind(env: Mapping[str, str], discover: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
    value = env.get("HOLDFAST_BIND", "").strip()
    if not value:
        return tuple(dict.fromkeys(("127.0.0.1", *discover())))
    return tuple(dict.fromkeys(_address(word.strip(), value) for word in value.split(",")))


def _address(word: str, value: str) -> str:
    try:
        address = ipaddress.ip_address(word.strip("[]"))
    except ValueError as error:
        raise SettingsError(f"HOLDFAST_BIND is {value!r}, and {word!r} is not an IP address", "give addresses of this machine, separated by commas") from error
    if address.is_unspecified:
        raise SettingsError(
            f"HOLDFAST_BIND is {value!r}, and {word} would answer on public addresses, too", "name each address; the private ones are taken when it is unset"
        )
    if address.is_multicast or (address.version == 6 and address.is_link_local):
        raise SettingsError(f"HOLDFAST_BIND is {value!r}, and no phone can register at {word}", "give an ordinary address of this machine")
    return str(address)


def _number(env: Mapping[str, str], name: str, default: int, allowed: range, hint: str) -> int:
    value = env.get(name, "").strip()
    if not value:
        return default
    # int() would also take "+5", "5_060" and other scripts' digits.
    if not (value.isascii() and value.isdigit() and len(value) < 20) or int(value) not in allowed:
        raise SettingsError(f"{name} is {value!r}", hint)
    return int(value)


def _port(env: Mapping[str, str], name: str, default: int) -> int:
    return _number(env, name, default, range(1, 65536), f"give a port from 1 to 65535; unset it is {default}")


def _networks(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    found = []
    for word in filter(None, (each.strip() for each in env.get(name, "").split(","))):
        try:
            found.append(str(ipaddress.ip_network(word)))
        except ValueError as error:
            raise SettingsError(f"{name}: {word!r} is no address or network", "separate them by commas: 203.0.113.7, 203.0.113.0/24") from error
    return tuple(found)


def _count(env: Mapping[str, str], name: str) -> int:
    return _number(env, name, 0, range(10**9), "leave it unset; the supervisor gives it to the engine")


def _choice(env: Mapping[str, str], name: str, allowed: tuple[str, ...], default: str) -> str:
    value = env.get(name, "").strip().lower() or default
    if value not in allowed:
        raise SettingsError(f"{name} is {value!r}", f"give one of: {', '.join(allowed)}")
    return value


def _site(env: Mapping[str, str]) -> Path | None:
    path = _path(env, "HOLDFAST_SITE")
    if path is None:
        return None
    hint = "give a site file, or leave it unset for the sample site"
    if path.suffix.lower() not in {".toml", ".json"}:
        raise SettingsError(f"HOLDFAST_SITE is {str(path)!r}, which is neither a .toml nor a .json file", hint)
    if not path.is_file():
        raise SettingsError(f"HOLDFAST_SITE is {str(path)!r}, and there is no such file", hint)
    return path


def _modem(env: Mapping[str, str]) -> tuple[Path, ...]:
    value = env.get("HOLDFAST_MODEM", "").strip()
    if value == "board":
        return _modem_of_board(env)
    words = [word.strip() for word in value.split(",")] if value else []
    if len(words) > 2 or len(set(words)) < len(words) or not all(word.startswith("/") for word in words):
        raise SettingsError(
            f"HOLDFAST_MODEM is {value!r}",
            "give the path of the modem's port for commands, and behind a comma that of its sound: /dev/ttyUSB2,/dev/ttyUSB1; or the word board",
        )
    return tuple(Path(word) for word in words)


def _modem_of_board(env: Mapping[str, str]) -> tuple[Path, ...]:
    """The one look at files: what is plugged in decides which of the board's ports it is."""
    from appliance.site import boards  # noqa: PLC0415 - 20 MB that a supervisor without a modem has no use for

    name, board = boards.current(env)
    ports = boards.modem(board)
    if not ports:
        raise SettingsError(f"HOLDFAST_MODEM is 'board', and the board {name} names no port for one", "give the port's path: /dev/ttyUSB2")
    return tuple(Path(port) for port in ports)


def _check_distinct(settings: Settings) -> None:
    """The four TCP ports must differ: they are bound on the same addresses."""
    seen: dict[int, str] = {}
    for name, port in (
        ("HOLDFAST_SIP_PORT", settings.sip_port),
        ("HOLDFAST_SIP_TLS_PORT", settings.sip_tls_port),
        ("HOLDFAST_HTTP_PORT", settings.http_port),
        ("HOLDFAST_PROVISIONING_PORT", settings.provisioning_port),
    ):
        if port in seen:
            raise SettingsError(f"{name} is {port}, and so is {seen[port]}", "give each its own port")
        seen[port] = name
