"""The callback map with its place on disk: who is rung when an emergency callback number is called."""

from __future__ import annotations

from collections.abc import Callable

from appliance.calls.emergency_context import call_back_of
from appliance.calls.route import CallBack
from appliance.emergency.callback import CallbackMap
from appliance.site.model.site import Site
from appliance.state.callbacks import CallbacksRepository
from appliance.state.clock import Moment
from appliance.state.records import CallbackRecord
from appliance.state.writer import StateWriter
from appliance.types import Address


class Callbacks:
    """`account`: the box's own address from which a contact URI is reached. All methods but `restore` run on the loop and never wait."""

    def __init__(self, site: Site, writer: StateWriter | None, account: Callable[[str], Address]) -> None:
        self.map = CallbackMap()
        self.configure(site)
        self._writer, self._account = writer, account

    def configure(self, site: Site) -> None:
        """Another revision is in force; open windows keep what they have."""
        elins = {number for place in site.locations.values() for number in place.elins}
        self.map.configure(elins, site.emergency.callback_hold_minutes * 60.0)

    def restore(self, repository: CallbacksRepository, lived_until_s: float) -> None:
        """Take over what an earlier run left; before calls begin. `lived_until_s`: the last moment of that boot known from the disk."""
        for elin, session in self.map.restore(repository.load(), Moment.now(), lived_until_s):
            if self._writer is not None:
                self._writer.callback_gone(elin, session)
        for record in self.map.records(Moment.now()):
            self.store(record)

    def store(self, record: CallbackRecord) -> None:
        """Queue a window for the disk."""
        if self._writer is not None:
            self._writer.callback(record)

    def look_up(self, number: str) -> CallBack | None:
        """For routing: whom a call to this number rings, None when it is no callback number."""
        return call_back_of(self.map.lookup(number, Moment.now()), self._account)

    def expire(self) -> None:
        """Every second or so."""
        for elin, session in self.map.expire(Moment.now()):
            if self._writer is not None:
                self._writer.callback_gone(elin, session)
