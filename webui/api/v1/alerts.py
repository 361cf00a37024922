"""How alerts go out, over the API. Who gets them is the group of settings `alerts`."""

from __future__ import annotations

from pydantic import Field

from appliance.control.client import AlertsResult, AlertsTestResult, OutboxResult
from webui.api.v1.operation import Ask, Reply, operation
from webui.api.v1.paging import Query
from webui.api.v1.state import BOX, ask_engine
from webui.engine import engine

TEST_S = 50.0
"""Each place is given 30 s, after a name that has no address yet."""


class OutboxQuery(Query):
    limit: int = Field(default=50, ge=1, le=500, description="How many, the newest first.")


@operation("GET", "/alerts/state", id="alerts.state", tag=BOX, scope="read", answers={200: AlertsResult})
def state(ask: Ask) -> Reply:
    """How alerts go out. To whom, what keeps them from getting through, and how many wait."""
    return Reply(ask_engine("alerts"))


@operation("POST", "/alerts/test", id="alerts.test", tag=BOX, scope="write", answers={200: AlertsTestResult}, refusals=(404,))
def test(ask: Ask) -> Reply:
    """Send a test message to everybody who gets alerts. By the settings in force; answers when all were tried, in 60 s at most."""
    return Reply(engine().call("alerts.test", timeout_s=TEST_S))


@operation("GET", "/alerts/outbox", id="alerts.outbox", tag=BOX, scope="read", query=OutboxQuery, answers={200: OutboxResult})
def outbox(ask: Ask) -> Reply:
    """Messages that were kept for delivery. What became of each, and why the last try failed."""
    return Reply(ask_engine("alerts.outbox", limit=ask.query.limit))
