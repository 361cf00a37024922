"""The cellular modem over the API."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from appliance.control.client import LineTestShape, ModemResult, ModemTextShape
from appliance.types import MODEM
from webui.api.v1.operation import Ask, Reply, operation
from webui.api.v1.state import BOX, ask_engine


class TextBody(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    to: str = Field(min_length=1, max_length=40, description="The number of a mobile phone, as people write it.")
    text: str = Field(min_length=1, max_length=1600, description="What it says. A long one goes in up to ten parts.")


class CallBody(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    to: str = Field(min_length=1, max_length=40, description="An outside number as people write it. No emergency number.")


@operation("GET", "/modem/status", id="modem", tag=BOX, scope="read", answers={200: ModemResult})
def modem(ask: Ask) -> Reply:
    """The cellular modem. Its state, network, signal and call, what is wrong and its cure, and the latest texts."""
    return Reply(ask_engine("modem"))


@operation("POST", "/modem/texts", id="modem.sms", tag=BOX, scope="calls", body=TextBody, answers={202: ModemTextShape}, refusals=(409,))
def text(ask: Ask) -> Reply:
    """Send a text over the modem. `texts` of GET /modem/status tell how it goes."""
    return Reply(ask_engine("modem.sms", to=ask.body.to, text=ask.body.text), 202, location="/modem/status")


@operation("POST", "/modem/calls", id="modem.call", tag=BOX, scope="calls", body=CallBody, answers={202: LineTestShape}, refusals=(404, 409))
def call(ask: Ask) -> Reply:
    """Try out the modem with a call. Whoever answers hears a sentence; `line_test` of GET /status tells how it goes."""
    return Reply(ask_engine("trunks.test", trunk=MODEM, to=ask.body.to), 202, location="/status")
