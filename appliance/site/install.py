"""A whole site and its secrets put into force in one go, without the candidate: the first site of a box."""

from __future__ import annotations

import time
from collections.abc import Mapping

from appliance.site.model.site import Site
from appliance.site.secrets import fill
from appliance.site.store import Revision, SiteStore
from appliance.site.vault import Vault


def install(store: SiteStore, vault: Vault, site: Site, secrets: Mapping[str, str], *, author: str, comment: str) -> Revision:
    """Save `site` as the current revision; `secrets` count with it, and devices without one get one. Raises StateError; the old revision then stays."""

    with store.locked():
        revision = store.add(site, author=author, comment=comment, now=time.time())
        vault.put({**fill(site, vault.names(revision.number)), **secrets})
        store.make_current(revision.number)
        return revision
