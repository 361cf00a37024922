"""A small office as an installer finds it: a box from the carton, desk phones, a laptop and a gateway on its LAN, a provider and servers outside."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.box import Box
from tests.support.carrier import Carrier
from tests.support.deskphone import DeskPhone
from tests.support.modem import SimModem, sim_modem
from tests.support.nameserver import serving
from tests.support.net import Namespace, SiteNet, site_net
from tests.support.proc import wait_until
from tests.support.receivers import Hook, MailServer

PROVIDER, HOOKS, MAIL = "sip.northwind.example", "hooks.tidewater.example", "mail.tidewater.example"
ACCOUNT = ("tidewater", "q7wkvzzm2pxd84hr")
HOOK_PORT, MAIL_PORT = 8088, 587
HTTP, TFTP = 8081, 69
MODEM_HZ = 1400.0
"""What is heard over the mobile network."""
MACS = {"yealink": "805ec0112233", "poly": "0004f2aabbcc", "grandstream": "c074ad445566"}
LAPTOP, GATEWAY = 3, 4
"""Of the namespaces on the LAN behind the phones."""


@dataclass
class Office:
    """`desks` stand in the order of MACS at `net.phones`; `carrier` is the provider, `gateway` a telephone line behind a box on the LAN."""

    net: SiteNet
    box: Box
    desks: list[DeskPhone]
    carrier: Carrier
    gateway: Carrier
    modem: SimModem
    hook: Hook
    mail: MailServer

    @property
    def laptop(self) -> Namespace:
        return self.net.phones[LAPTOP]

    @property
    def gateway_ip(self) -> str:
        return self.net.phone_ip(GATEWAY)

    def line(self) -> tuple[str, int]:
        """Where the provider reaches the box: what its latest registration came from."""
        return self.carrier.requests("REGISTER")[-1].source

    def calls_in(self, number: str, caller: str) -> Any:
        """Somebody outside dials `number`."""
        ip, port = self.line()
        return self.carrier.call(f"sip:{number}@{ip}:{port}", (ip, port), from_uri=f"sip:{caller}@{PROVIDER}")

    def wait_children(self) -> None:
        """Until every process of the box is ready."""

        def ready() -> bool:
            children = json.loads((self.box.data / "run" / "supervisor.json").read_text())["children"]
            return all(child["ready"] for child in children.values())

        wait_until(ready, 60.0, "every process of the box ready")


@contextlib.contextmanager
def office(folder: Path) -> Iterator[Office]:
    """The box is started as `make run` starts it: no site, nobody knows it, the usual ports, and the addresses it finds."""
    with contextlib.ExitStack() as stack:
        net = stack.enter_context(site_net(phones=5, nat=True))
        assert net.carrier is not None
        names = {(PROVIDER, "A"): [net.carrier_ip], (HOOKS, "A"): [net.carrier_ip], (MAIL, "A"): [net.carrier_ip]}
        stack.enter_context(serving(net.carrier, (net.carrier_ip, 53), names))
        net.box.resolv_conf(f"nameserver {net.carrier_ip}\n")
        carrier = stack.enter_context(Carrier(net.carrier_ip, 5060, ns=net.carrier, accounts=dict([ACCOUNT])))
        gateway = stack.enter_context(Carrier(net.phone_ip(GATEWAY), 5060, ns=net.phones[GATEWAY], freq_hz=600.0))
        hook, mail = Hook(HOOK_PORT, net.carrier_ip), MailServer(folder, MAIL_PORT, ip=net.carrier_ip, name=MAIL)
        with net.carrier.entered():
            hook.start()
            stack.callback(hook.stop)
            mail.start()
            stack.callback(mail.stop)
        (folder / "modem").mkdir()
        modem = stack.enter_context(sim_modem(folder / "modem", freq_hz=MODEM_HZ))
        desks = [DeskPhone(family, ns, mac, net.box_lan, HTTP, TFTP) for (family, mac), ns in zip(MACS.items(), net.phones, strict=False)]
        unset = dict.fromkeys(
            ("HOLDFAST_SITE", "HOLDFAST_HTTP_PORT", "HOLDFAST_PROVISIONING_PORT", "HOLDFAST_TFTP_PORT"), ""
        )  # fmt: skip
        env = {**unset, "HOLDFAST_MODEM": f"{modem.at},{modem.audio}", "SSL_CERT_FILE": str(mail.trust)}
        box = stack.enter_context(Box(folder, ns=net.box, bind=(net.box_lan, net.box_wan), supervised=True, env=env))
        yield Office(net, box, desks, carrier, gateway, modem, hook, mail)
