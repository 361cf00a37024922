"""Tells the engine who is at the pages, for its firewall: who signs in is never banned, who guesses is counted. No page ever waits for it."""

from __future__ import annotations

import logging
import queue
import threading

from flask import Flask, current_app

from appliance.errors import ControlError
from webui.engine import Engine

log = logging.getLogger(__name__)

WAITING = 100
ANSWER_S = 2.0


class Teller:
    """A thread that is there when something is to be told; what it cannot tell now is dropped."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._news: queue.Queue[tuple[str, bool]] = queue.Queue(WAITING)
        self._begun = threading.Lock()

    def tell(self, address: str, *, signed_in: bool) -> None:
        try:
            self._news.put_nowait((address, signed_in))
        except queue.Full:  # an engine that hangs; it has nothing to ban with now
            return
        if self._begun.acquire(blocking=False):
            threading.Thread(target=self._run, name="strangers", daemon=True).start()

    def _run(self) -> None:
        while True:
            address, signed_in = self._news.get()
            try:
                self._engine.ask("firewall.seen", ANSWER_S, address=address, signed_in=signed_in)
            except ControlError as error:
                log.info("the firewall was not told of %s: %s", address, error)


def set_up(app: Flask, engine: Engine) -> None:
    app.extensions["strangers"] = Teller(engine)


def tell(address: str, *, signed_in: bool) -> None:
    """Somebody at `address` signed in, or did something while signed in; or tried to sign in with a wrong password."""
    found: Teller = current_app.extensions["strangers"]
    if address:
        found.tell(address, signed_in=signed_in)
