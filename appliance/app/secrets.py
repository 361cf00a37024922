"""The vault as the engine uses it: made ready at start, read for each snapshot. Where that fails nobody can sign in, and emergency calls still work."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from appliance.errors import StateError
from appliance.site.migrate import migrate
from appliance.site.model.site import Site
from appliance.site.secrets import fill, needed
from appliance.site.vault import Vault

log = logging.getLogger(__name__)


class EngineSecrets:
    """The methods block for the disk. `fault`: why the last one had no secrets, None: it had them. `known` was read last, for `revision`."""

    def __init__(self, data: Path) -> None:
        self.vault = Vault(data)
        self.fault: StateError | None = None
        self.revision = 0
        self._data = data
        self._migrated = False
        self._made = 0
        self.known: Mapping[str, str] = {}
        self._stamp = self.vault.stamp()

    def migrate(self) -> None:
        """Before anything else reads the site: take secrets out of the revisions of older releases."""
        try:
            migrate(self._data)
            self._migrated = True
        except StateError as error:
            log.error("the secrets of old revisions could not be taken into the vault: %s", error)

    def at_start(self, site: Site, revision: int) -> Mapping[str, str]:
        """As `of`, and devices without a secret get one (row E3): those of the sample, and of revisions that were saved by other means than a commit."""
        if self._migrated:  # else what a device lacks may still be in an old revision
            try:
                made = fill(site, self.vault.names(revision))
                self.vault.put(made)
                self._made = len(made) if revision > 1 else 0
                if made:
                    log.info("%d devices had no secret and got one", len(made))
            except StateError as error:
                log.error("devices without a secret stay without: %s", error)
        return self.of(revision)

    def of(self, revision: int) -> Mapping[str, str]:
        """The secrets that count in `revision`, the current one; where the vault cannot be read those known from before, at start none at all."""
        self.revision, self.fault, self._stamp = revision, None, self.vault.stamp()
        try:
            found = self.vault.values(revision)
            if self.known and not any(self._stamp):
                raise StateError("The vault is gone", "put the folder `vault` of the data folder back, or restore a backup", code="vault")
            self.known = found
        except StateError as error:
            self.fault = error
        return self.known

    def changed(self) -> bool:
        """Whether the vault may hold something else than was read last. Cheap."""
        return self.vault.stamp() != self._stamp

    def alarms(self, site: Site) -> dict[str, tuple[str, str]]:
        """Alarm -> what it says of `site` with the secrets known, and its hint; an empty sentence: it is over."""
        alarms = dict.fromkeys(("vault", "vault-lacks", "vault-made"), ("", ""))
        if self.fault is not None:
            effect = "the secrets known before stay in use" if self.known else "phones and trunks cannot sign in; emergency calls work"
            alarms["vault"] = f"{self.fault.sentence}: {effect}", self.fault.hint
            return alarms
        lacking = sorted(needed(site) - self.known.keys())
        if lacking:
            alarms["vault-lacks"] = f"The vault has no {', '.join(lacking[:5])}{' and more' if len(lacking) > 5 else ''}", f"holdfast secret set {lacking[0]}"
        if self._made:
            alarms["vault-made"] = (
                f"{self._made} devices had no secret and were given new ones, which their phones do not know",
                "`holdfast sign-in EXTENSION` shows them; a backup from before has the old ones",
            )
        return alarms
