"""holdfast system: what the box runs on and is made of, and the licences."""

from __future__ import annotations

import click

from appliance.cli.output import Screen, duration, plain, print_json, talks
from appliance.control.client import Client, HealthResult, LicenceResult, SystemResult


@click.command()
@click.option("--licence", "name", metavar="NAME", help="Print a licence: of a library, or of holdfast.")
@talks
def system(client: Client, screen: Screen, as_json: bool, name: str | None) -> None:
    """Show version, board, kernel, uptime, processes with their memory, and the libraries with their licences."""
    if name is not None:
        found: LicenceResult = client.call("system.licence", name=name)
        if as_json:
            print_json(found)
        else:
            for line in found["text"].splitlines():
                screen.line(line)
        return
    known: SystemResult = client.call("system")
    health: HealthResult = client.call("health")
    if as_json:
        print_json({**known, "processes": health["processes"]})
        return
    screen.line(f"Holdfast {known['version']}, licensed under the GNU General Public License, version 2 or later: --licence holdfast")
    for title, value in (
        ("Machine", ", ".join(word for word in (known["board"], known["host"], known["architecture"], f"{known['cores']} cores") if word)),
        ("System", f"{known['system']}, kernel {known['kernel']}, Python {known['python']}"),
        ("Up", f"the machine {duration(known['machine_uptime_s'])}, the phone engine {duration(known['uptime_s'])}"),
    ):
        screen.line(f"{title:<8} {plain(value)}")
    for title, value in _board(known):
        screen.line(f"{title:<8} {plain(value)}")
    screen.line()
    rows = [(p["name"], p["pid"], f"{p['memory_bytes'] / 1e6:.0f} MB", f"{p['busy']:.0%}", p["threads"]) for p in health["processes"]]
    screen.table(("Process", "Number", "Memory", "Processor", "Threads"), rows)
    screen.line()
    screen.table(("Library", "Version", "Licence"), [(each["name"], each["version"] or "of the system", each["licence"]) for each in known["libraries"]])


TESTED = {"hardware": "tested on hardware", "qemu": "tested in a virtual machine", "none": "not tested on this kind of board"}


def _board(known: SystemResult) -> list[tuple[str, str]]:
    """What the board file says, and what is there of it."""
    board = known["board_file"]
    if board is None:
        return [("Board", f"none: {known['board_problem']}")]
    links = [f"{link['name']} {link['role'].upper()}{'' if link['up'] else ' (down)'}" for link in board["links"]]
    ports = [f"{port} {use}" for use, there in (("commands", board["modem_at"]), ("sound", board["modem_audio"])) for port in there]
    return [
        ("Board", f"{board['name']} ({board['id']}), {TESTED[board['tested']]}, console {board['console']}"),
        ("Network", ", ".join(links) or "no interface that the board file names"),
        ("Modem", ", ".join(ports) or "no serial port that the board file names"),
    ]
