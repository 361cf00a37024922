"""The trunks' accounts on the SIP thread: brought to the list wanted, their registration state told."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pjsua2 as pj

from appliance.sip._pj import config as pjconfig
from appliance.sip._pj.config import MediaPorts, TrunkAccount
from appliance.types import Transport, TrunkId

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrunkNews:
    """A registering trunk's state: status of the last REGISTER (0: none yet), seconds it lasts (0: not registered)."""

    trunk: TrunkId
    code: int
    reason: str
    expires_s: int


Tell = Callable[[TrunkNews], None]


class _Account(pj.Account):  # type: ignore[misc]
    def __init__(self, tell: Tell, trunk: TrunkId) -> None:
        super().__init__()
        self._tell, self._trunk = tell, trunk

    def onRegState(self, prm: Any) -> None:
        info = self.getInfo()
        self._tell(TrunkNews(self._trunk, int(prm.code), str(prm.reason), int(info.regExpiresSec) if info.regIsActive else 0))


class TrunkAccounts:
    """Belongs to the SIP thread. `transports`: (address, transport) -> pjsua's id of it."""

    def __init__(self, media: MediaPorts, transports: Mapping[tuple[str, Transport], int], tell: Tell) -> None:
        self._media, self._transports, self._tell = media, transports, tell
        self._accounts: dict[TrunkId, tuple[TrunkAccount, _Account]] = {}

    def number(self, trunk: TrunkId) -> int:
        """pjsua's account id, -1 without an account."""
        found = self._accounts.get(trunk)
        return int(found[1].getId()) if found else -1

    def apply(self, wanted: tuple[TrunkAccount, ...]) -> None:
        """Make, change and remove accounts; calls on a trunk that goes stay up."""
        names = {t.id for t in wanted}
        for key in [k for k in self._accounts if k not in names]:
            _, account = self._accounts.pop(key)
            account.shutdown()
        for trunk in wanted:
            have = self._accounts.get(trunk.id)
            if have is not None and have[0] == trunk:
                continue
            transport_id = self._transports.get((trunk.local.ip, trunk.transport))
            if transport_id is None:
                log.warning("trunk %s: the box does not listen on %s over %s", trunk.id, trunk.local.ip, trunk.transport)
                continue
            account_config = pjconfig.trunk_account(trunk, transport_id, self._media)
            try:
                if have is not None:
                    have[1].modify(account_config)
                    self._accounts[trunk.id] = (trunk, have[1])
                else:
                    account = _Account(self._tell, trunk.id)
                    account.create(account_config)
                    self._accounts[trunk.id] = (trunk, account)
            except pj.Error as error:
                log.error("trunk %s was refused by the SIP stack: %s", trunk.id, error.reason)
                self._tell(TrunkNews(trunk.id, 500, str(error.reason), 0))

    def shutdown(self) -> None:
        for _, account in self._accounts.values():
            account.shutdown()
