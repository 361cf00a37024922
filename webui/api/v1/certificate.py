"""The box's certificates over the API: what is served, and the site's own in its place."""

from __future__ import annotations

import time
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from appliance.site.certificate import LARGEST, shown
from webui import certificates
from webui.api.v1.operation import Ask, Reply, operation
from webui.place import place

TAG = "System"


class CertificateItem(TypedDict):
    """`use`: "web" is what browsers and programs see, "sip" what phones see that use TLS. `own`: the site's, not made by the box. `fingerprint`: SHA-256.

    `issuer` "": vouched for by itself alone. `state`: "soon" is within a month.
    """

    use: Literal["web", "sip"]
    own: bool
    names: list[str]
    subject: str
    issuer: str
    begins_unix_s: float
    ends_unix_s: float
    fingerprint: str
    key: str
    state: Literal["good", "soon", "over", "early"]


class CertificatesAnswer(TypedDict):
    """`sip_renewed`, after a change: whether SIP over TLS serves it now; null: at the engine's next start."""

    certificates: list[CertificateItem]
    sip_renewed: bool | None


class CertificateBody(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    certificate: str = Field(max_length=LARGEST, description="PEM: the box's certificate, then those that vouch for it.")
    key: str = Field(default="", max_length=LARGEST, description="PEM: its private key; left out, it stands in `certificate` as well.")


@operation("GET", "/certificate", id="certificate.get", tag=TAG, scope="read", answers={200: CertificatesAnswer})
def got(ask: Ask) -> Reply:
    """What the box serves over TLS. Names, dates and fingerprints, to compare with what a browser shows."""
    return Reply(_shape(None))


@operation("PUT", "/certificate", id="certificate.put", tag=TAG, scope="system", body=CertificateBody, answers={200: CertificatesAnswer})
def put(ask: Ask) -> Reply:
    """Serve the site's own certificate, for the pages, this API and SIP over TLS. It is checked first; new connections get it at once.

    Connections and calls there are go on.
    """
    certificates.install(ask.body.certificate, ask.body.key, ask.who.name)
    return Reply(_shape(certificates.renew()))


@operation("DELETE", "/certificate", id="certificate.delete", tag=TAG, scope="system", answers={200: CertificatesAnswer}, refusals=(404,))
def delete(ask: Ask) -> Reply:
    """Serve the box's own certificates again."""
    certificates.reset(ask.who.name)
    return Reply(_shape(certificates.renew()))


def _shape(renewed: bool | None) -> dict[str, Any]:
    now = time.time()
    return {"certificates": [{**each.as_dict(), "state": each.state(now)} for each in shown(place().data).values()], "sip_renewed": renewed}
