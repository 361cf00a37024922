"""The cellular modem in the engine: its driver runs, what is wrong with it becomes an alarm, and the control socket tells of it."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from appliance.cellular.api import CellularError, ModemChanged, ModemState, ModemView, News, PinSpared, TextView
from appliance.cellular.driver import Driver
from appliance.cellular.modem import Timing
from appliance.cellular.trouble import sound_trouble, trouble
from appliance.control import machine_shapes as shapes
from appliance.errors import StateError
from appliance.events.cellular import ModemStateChanged, ModemUsed
from appliance.network.survivability import ModemFacts
from appliance.site import files
from appliance.site.model.modem import Modem
from appliance.site.vault import Vault

log = logging.getLogger(__name__)

LOOK_S = 1.0
PIN_WAIT_S = 25.0
"""A PIN that was entered has so long to open the card before people are told that it asks for one."""
PIN_LOOK_S = 3.0
NO_MODEM = ("The box has no modem", "set HOLDFAST_MODEM to its port and start the box again")
WRONG_PIN = ("The SIM card does not take the PIN of the site", "check it with the operator's papers and set it anew; the box never tries one twice")
_ALARM, _SOUND_ALARM = "modem", "modem-sound"


class SimPin:
    """The PIN of the SIM card, entered once: three wrong ones lock the card for good, over restarts and kills as well. The methods block for the disk.

    `note`: a file that says which PIN was entered last and has not opened the card (a keyed digest of it); who sets the same one anew removes it
    (site/sim_pin.py).
    """

    def __init__(self, note: Path, known: Callable[[], str], vault: Vault) -> None:
        self._note, self._known, self._vault = note, known, vault

    def take(self) -> str:
        """The PIN to enter now, noted as entered; "" where there is none, or it was entered before. Raises OSError, StateError."""
        pin = self._known()
        if not pin:
            return ""
        mark = hmac.digest(self._vault.derive("sim-pin"), pin.encode(), "sha256").hex()
        if self._note.is_file() and self._note.read_text(encoding="ascii", errors="replace") == mark:
            return ""
        files.write(self._note, mark.encode())
        return pin

    def forget(self) -> None:
        """The card is open, or the PIN did not reach it."""
        self._note.unlink(missing_ok=True)

    def set(self) -> bool:
        """Whether the site has one at all."""
        return bool(self._known())


class CellularService:
    """`ports`: the modem's port for commands, and the one of its calls' sound; empty: the box has no modem. Belongs to the loop."""

    def __init__(
        self, ports: tuple[Path, ...], alarm: Callable[[str, str, str], None], publish: Callable[[object], None], pin: SimPin, timing: Timing | None = None
    ) -> None:
        self._ports = ports
        self._pin = pin
        self._pin_at_s = -PIN_WAIT_S
        self._spared = False
        self._asked = asyncio.Event()
        self._alarm, self._publish = alarm, publish
        self._alarmed: dict[str, tuple[str, str]] = {}
        self.driver = Driver(ports[0], ports[1] if len(ports) > 1 else None, timing) if ports else None
        if self.driver is not None:
            self.driver.subscribe(self._news)

    async def run(self) -> None:
        """As long as the box; at once over where there is no modem."""
        if self.driver is None:
            return
        driving = asyncio.create_task(self.driver.run(), name="modem driver")
        unlocking = asyncio.create_task(self._unlock(), name="modem PIN")
        try:
            while True:
                self._look()
                await asyncio.sleep(LOOK_S)
        finally:
            driving.cancel()
            unlocking.cancel()
            await asyncio.gather(driving, unlocking, return_exceptions=True)

    async def _unlock(self) -> None:
        """Enter the PIN where the card asks for it and there is one that was not tried; forget that it was tried once the card is open, or was not asked."""
        assert self.driver is not None
        loop = asyncio.get_running_loop()
        while True:
            self._asked.clear()
            view = self.driver.view
            try:
                if self._spared or view.card_open:
                    again = self._spared
                    await loop.run_in_executor(None, self._pin.forget)
                    self._spared = False
                    await asyncio.sleep(LOOK_S if again else 0)  # a card that is busy has a moment
                if self.driver.view.state is ModemState.PIN_NEEDED and (pin := await loop.run_in_executor(None, self._pin.take)):
                    self._pin_at_s = time.monotonic()
                    self._enter(pin)
            except (OSError, StateError) as error:
                log.error("the PIN of the SIM card was not entered: %s", error)
            # The state tells at once; another PIN in the vault within a few seconds. Not wait_for: as in the driver.
            with suppress(TimeoutError):
                async with asyncio.timeout(PIN_LOOK_S if self.driver.view.state is ModemState.PIN_NEEDED else None):
                    await self._asked.wait()

    def _enter(self, pin: str) -> None:
        assert self.driver is not None
        try:
            self.driver.enter_pin(pin)
        except CellularError as error:  # the card asks no longer
            log.info("the PIN of the SIM card was not entered: %s", error)
            self._spared = True
            self._asked.set()

    def _news(self, news: News) -> None:
        if isinstance(news, PinSpared):
            self._spared = True
            self._asked.set()
        elif isinstance(news, ModemChanged):
            self._asked.set()
            self._look()
            self._publish(ModemStateChanged(time.time(), news.view.state, news.view.fault or ""))
        else:
            self._publish(ModemUsed(time.time()))

    def _look(self) -> None:
        """Alarms follow what is wrong; each is told when it changes."""
        assert self.driver is not None
        view = self.driver.view
        if self._unasked(view):
            return
        for code, found in ((_ALARM, self._trouble()), (_SOUND_ALARM, sound_trouble(view, str(self._ports[-1])))):
            if found is not None and self._alarmed.get(code) != found:
                self._alarmed[code] = found
                self._alarm(code, *found)
            elif found is None and self._alarmed.pop(code, None) is not None:
                self._alarm(code, "", "")

    @staticmethod
    def _unasked(view: ModemView) -> bool:
        """Nothing is known yet: the port is being opened for the first time."""
        return view.state is ModemState.ABSENT and view.fault is None

    def _trouble(self) -> tuple[str, str] | None:
        assert self.driver is not None
        now = time.monotonic()
        if self.driver.view.state is ModemState.PIN_NEEDED and self._pin.set():
            return WRONG_PIN if now - self._pin_at_s >= PIN_WAIT_S else None
        return trouble(self.driver.view, str(self._ports[0]), now)

    # ---- for calls -----------------------------------------------------------------------------------------------

    def facts(self, wanted: Modem) -> ModemFacts | None:
        """What the modem is good for as a way out, with the site's wishes; None: the box has none."""
        if self.driver is None:
            return None
        view = self.driver.view
        ready = view.state is ModemState.READY
        gone = view.fault is not None or view.state is ModemState.ABSENT
        outside = ready and wanted.enabled and wanted.use == "emergency-and-outside"
        said = None if self._unasked(view) else self._trouble()
        return ModemFacts(True if ready else False if gone else None, outside, said[0] if said else "" if ready else "The modem has no network yet")

    # ---- for the control socket ----------------------------------------------------------------------------------

    def summary(self) -> shapes.CellularShape:
        if self.driver is None:
            return {"state": "none", "fault": "", "operator": "", "network": "", "signal_dbm": None, "roaming": False, "calls": False}
        view = self.driver.view
        return {
            "state": view.state.value, "fault": view.fault.value if view.fault else "", "operator": view.operator, "network": view.network,
            "signal_dbm": view.signal_dbm, "roaming": view.roaming, "calls": view.state is ModemState.READY,
        }  # fmt: skip

    def whole(self) -> shapes.ModemResult:
        view = self.driver.view if self.driver is not None else ModemView()
        said = (self._trouble() if self.driver is not None and not self._unasked(view) else None) or ("", "")
        call = view.call
        return {
            **self.summary(), "ports": [str(port) for port in self._ports], "maker": view.maker, "model": view.model, "imei": view.imei, "imsi": view.imsi,
            "volte": view.volte, "since_s": max(0.0, time.monotonic() - view.since_s) if self.driver is not None else 0.0,
            "trouble": said[0], "cure": said[1],
            "call": {
                "id": call.id, "number": call.number, "outgoing": call.outgoing, "state": call.state.value, "end": call.end.value if call.end else "",
                "reason": call.reason,
            } if call is not None else None,
            "texts": [_text(text) for text in view.texts],
        }  # fmt: skip

    def send_text(self, number: str, text: str) -> shapes.ModemTextShape:
        """Raises CellularError."""
        if self.driver is None:
            raise CellularError(*NO_MODEM, code="unreachable")
        return _text(self.driver.send_text(number, text))


def cellular_methods(service: CellularService) -> Mapping[str, Callable[[dict[str, Any], Any], Awaitable[Any]]]:
    """What the control socket answers of the modem."""

    async def modem(_: dict[str, Any], __: Any) -> shapes.ModemResult:
        return service.whole()

    async def sms(params: dict[str, Any], peer: Any) -> shapes.ModemTextShape:
        made = service.send_text(params["to"], params["text"])
        log.info("text %d was given by the control socket (uid %d)", made["id"], peer.uid)
        return made

    return {"modem": modem, "modem.sms": sms}


def _text(text: TextView) -> shapes.ModemTextShape:
    return {"id": text.id, "to": text.number, "parts": text.parts, "sent": text.sent, "state": text.state.value, "reason": text.reason}
