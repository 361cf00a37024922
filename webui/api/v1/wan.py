"""The internet connection over the API."""

from __future__ import annotations

from appliance.control.client import WanResult
from webui.api.v1.operation import Ask, Reply, operation
from webui.api.v1.state import BOX, ask_engine


@operation("GET", "/wan/status", id="wan.status", tag=BOX, scope="read", answers={200: WanResult})
def wan(ask: Ask) -> Reply:
    """Whether the internet is there. Its state, since when, how the box knows, and the changes since the engine's start."""
    return Reply(ask_engine("wan"))
