"""The certificates of the box, for the pages and the API: replaced, and the engine told."""

from __future__ import annotations

import logging
import time

from appliance.errors import ControlError
from appliance.site import certificate
from webui.engine import engine
from webui.place import place

log = logging.getLogger(__name__)

ANSWER_S = 10.0


def install(chain: str, key: str, who: str) -> certificate.Shown:
    """Serve these. Raises DocumentError with every mistake."""
    made = certificate.install(place().data, chain, key, time.time())
    log.warning("%s had the box serve the certificate %s", who, made.fingerprint)
    return made


def reset(who: str) -> None:
    """Serve the box's own again. Raises NotFound where nothing else is served."""
    certificate.reset(place().data)
    log.warning("%s had the box serve its own certificates again", who)


def renew() -> bool | None:
    """Have SIP over TLS use what is there now. False: there is no SIP over TLS. None: the engine does not run, and takes it when it starts."""
    try:
        return bool(engine().call("certificate.changed", timeout_s=ANSWER_S)["sip"])
    except ControlError as error:
        log.info("SIP over TLS has not taken the new certificate: %s", error.sentence)
        return None
