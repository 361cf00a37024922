"""The cellular modem in the engine: its driver runs, what is wrong with it becomes an alarm, and the control socket tells of it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from appliance.cellular.api import CellularError, ModemChanged, ModemState, ModemView, News, TextView
from appliance.cellular.driver import Driver
from appliance.cellular.modem import Timing
from appliance.cellular.trouble import sound_trouble, trouble
from appliance.control import machine_shapes as shapes
from appliance.events.cellular import ModemStateChanged

log = logging.getLogger(__name__)

LOOK_S = 1.0
_ALARM, _SOUND_ALARM = "modem", "modem-sound"


class CellularService:
    """`ports`: the modem's port for commands, and the one of its calls' sound; empty: the box has no modem. Belongs to the loop."""

    def __init__(
        self, ports: tuple[Path, ...], alarm: Callable[[str, str, str], None], publish: Callable[[object], None], timing: Timing | None = None
    ) -> None:
        self._ports = ports
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
        try:
            while True:
                self._look()
                await asyncio.sleep(LOOK_S)
        finally:
            driving.cancel()
            await asyncio.gather(driving, return_exceptions=True)

    def _news(self, news: News) -> None:
        if isinstance(news, ModemChanged):
            self._look()
            self._publish(ModemStateChanged(time.time(), news.view.state, news.view.fault or ""))

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
        return trouble(self.driver.view, str(self._ports[0]), time.monotonic())

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
            raise CellularError("The box has no modem", "set HOLDFAST_MODEM to its port and start the box again", code="unreachable")
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
