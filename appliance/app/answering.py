"""The heartbeat of a process that serves HTTP: it asks its own server, as a client would, and beats only when it was answered."""

from __future__ import annotations

import http.client
import logging
import time

from appliance.app.child import ParentLink

log = logging.getLogger(__name__)

BEAT_S = 2.0
ANSWER_S = 8.0


def beat(parent: ParentLink, server: http.client.HTTPConnection) -> None:
    """For ever, over one connection as long as it lasts: a server that hangs goes silent, and the supervisor starts it anew."""
    ready = False
    while True:
        try:
            server.request("GET", "/health")
            answer = server.getresponse()
            answer.read()
            if answer.status == http.client.OK:
                if not ready:
                    parent.ready(())
                    ready = True
                parent.beat()
        except (OSError, http.client.HTTPException) as error:
            server.close()
            log.debug("no answer from the own server: %s", error)
        time.sleep(BEAT_S if ready else 0.1)
