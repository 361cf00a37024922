"""A phone's password is replaced step by step, and whatever fails in between leaves the phone with one that works."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.app.rotation import Rotation
from appliance.errors import StateError
from appliance.events.registration import Registered
from appliance.people.phones import Ask, Phones
from appliance.types import Address, DeviceId

MAC, DEVICE, IP = "805ec0112233", DeviceId("ada-desk"), "192.168.1.20"
NAME = f"devices.{DEVICE}.secret"


class Bench:
    """A phone that took its settings while it was let in; `vault`, `contacts`, `disk` are what the rest of the box says."""

    def __init__(self) -> None:
        self.phones = Phones(b"k" * 32)
        self.phones.open(MAC, 0)
        ask = Ask(MAC, IP, agree=True)
        self.phones.let_in(ask, 1)
        self.phones.note(ask, "given", 1)
        self.phones.told(MAC, "digest", 1)
        self.vault, self.staged, self.contacts, self.disk, self.anew = {NAME: "first"}, set[str](), [IP], True, list[str]()
        self.box: Any = SimpleNamespace(
            loop=asyncio.get_running_loop(), admission=SimpleNamespace(offered={}),
            registrations=SimpleNamespace(all=lambda: [SimpleNamespace(device=DEVICE, received=Address(ip, 5060)) for ip in self.contacts]),
            activation=SimpleNamespace(place=SimpleNamespace(vault=SimpleNamespace(staged=lambda: self.staged, put=self._put)), refresh_secrets=self._refresh),
        )  # fmt: skip
        self._snap()
        self.rotation = Rotation(self.box, self)  # type: ignore[arg-type]  # the desk's part of it

    def _snap(self) -> None:
        self.box.snapshot = SimpleNamespace(devices={DEVICE: SimpleNamespace(id=DEVICE, secret=self.vault[NAME])})

    def _put(self, values: dict[str, str]) -> None:
        if not self.disk:
            raise StateError("The disk is full", "make room")
        self.vault.update(values)

    async def _refresh(self) -> None:
        self._snap()
        await self.rotation.settle()

    def device(self, mac: str) -> Any:
        return (DEVICE, None) if mac == MAC else None

    def mac_of(self, device: DeviceId) -> str:
        return MAC if device == DEVICE else ""

    def dirty(self) -> None:
        pass

    async def changed(self) -> bool:
        return self.disk

    def told_anew(self, mac: str) -> None:
        self.anew.append(mac)

    async def registers(self) -> None:
        await self.rotation._registered(Registered(0.0, DEVICE, "201", "sip:201@x", Address(self.contacts[0], 5060), 3600))

    async def proves(self) -> None:
        self.rotation.proved(DEVICE)
        while self.rotation._taking:
            await asyncio.sleep(0)


def test_step_by_step() -> None:
    async def run() -> None:
        bench = Bench()
        await bench.registers()
        (new,) = bench.box.admission.offered.values()
        assert bench.anew == [MAC] and bench.vault[NAME] == "first"
        await bench.registers()
        assert bench.anew == [MAC], "it is told once"
        await bench.proves()
        assert bench.vault[NAME] == new and not bench.box.admission.offered and not bench.phones.offers

    asyncio.run(run())


@pytest.mark.parametrize("fault", ["disk", "another", "moved"])
def test_no_offer_is_made_that_could_shut_somebody_out(fault: str) -> None:
    async def run() -> None:
        bench = Bench()
        bench.disk = fault != "disk"
        bench.contacts = {"another": [IP, "192.168.1.99"], "moved": ["192.168.1.99"]}.get(fault, [IP])
        await bench.registers()
        assert not bench.box.admission.offered and not bench.anew and bench.phones.due == {MAC}, "the next registration tries again"
        bench.disk, bench.contacts = True, [IP]
        await bench.registers()
        assert bench.anew == [MAC]

    asyncio.run(run())


@pytest.mark.parametrize("fault", ["disk", "another", "staged"])
def test_both_passwords_go_on_where_the_new_one_cannot_be_kept(fault: str) -> None:
    async def run() -> None:
        bench = Bench()
        await bench.registers()
        bench.disk = fault != "disk"
        bench.contacts = [IP, "192.168.1.99"] if fault == "another" else [IP]
        bench.staged = {NAME} if fault == "staged" else set()
        await bench.proves()
        assert bench.vault[NAME] == "first" and bench.box.admission.offered
        bench.disk, bench.contacts, bench.staged = True, [IP], set()
        await bench.proves()
        assert bench.vault[NAME] != "first" and not bench.box.admission.offered

    asyncio.run(run())


def test_a_password_set_by_hand_meanwhile_wins() -> None:
    async def run() -> None:
        bench = Bench()
        await bench.registers()
        bench.vault[NAME] = "by hand"
        await bench._refresh()
        assert not bench.box.admission.offered and not bench.phones.offers
        await bench.proves()
        assert bench.vault[NAME] == "by hand"

    asyncio.run(run())
