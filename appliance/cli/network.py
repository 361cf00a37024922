"""holdfast network: the box's addresses and which one phones use, its way out, name service, clock, and who is on the wire."""

from __future__ import annotations

import click

from appliance.cli.output import Screen, print_json, talks
from appliance.control.client import Client, NetworkResult

CLOCK = {True: "The clock is kept right.", False: "Nobody keeps the clock right: times may drift.", None: "Whether the clock is kept right is not known."}


@click.command()
@talks
def network(client: Client, screen: Screen, as_json: bool) -> None:
    """Show how the network is, as the box sees it. Nothing is changed."""
    found: NetworkResult = client.call("network")
    if as_json:
        print_json(found)
        return
    rows = [
        (f"{own['address']}/{own['prefix']}", own["interface"], "for phones" if own["phones"] else "served" if own["served"] else "not served")
        for own in found["addresses"]
    ]
    screen.table(("Address", "Interface", "Use"), rows)
    screen.line()
    if found["gateway"]:
        screen.line(f"The way out is {found['gateway']} on {found['gateway_interface']}{'' if found['gateway_seen'] else ', which has not been heard'}.")
    else:
        screen.line("There is no way out: set a gateway (DHCP does), or no outside line works.", "bold red")
    for server in found["name_servers"]:
        said = f"answers in {server['after_ms']:.0f} ms ({server['answer']})" if server["answer"] else "does not answer"
        screen.line(f"The name server {server['address']} {said}.", "" if server["answer"] else "bold red")
    if not found["names"]:
        screen.line("No name is resolved: outside lines that are named, not numbered, do not work.", "bold red")
    screen.line(CLOCK[found["clock_kept"]])
    screen.line()
    if not found["seen"]:
        screen.line("Nobody else was heard on the wire.")
        return
    screen.table(
        ("Address", "MAC", "Interface", "Made by", "Devices"),
        [(seen["address"], seen["mac"], seen["interface"], seen["maker"], ", ".join(seen["devices"])) for seen in found["seen"]],
    )
