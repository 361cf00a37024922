"""Users and their devices."""

from __future__ import annotations

from appliance.site.model.base import E164, Extension, Id, Name, Part, Secret, SipUser, Text


class User(Part):
    """A person. Calling `extension` rings all active devices of the user (rows K4, T1)."""

    name: Name
    extension: Extension
    email: Text = ""
    mobile: E164 | None = None
    outbound_number: E164 | None = None
    """Presented on outside calls instead of the site's main number (row T2)."""
    call_waiting: bool = True
    ring_seconds: int = 30
    enabled: bool = True


class Device(Part):
    """Anything that registers: a desk phone, a softphone, a door station. Without `owner` it stands alone (row K2)."""

    name: Text = ""
    owner: Id | None = None
    sip_user: SipUser
    secret: Secret
    extension: Extension | None = None
    """Its own number; needed where there is no owner."""
    location: Id | None = None
    """The emergency response location it stands in; None: the site's default."""
    mac: Text = ""
    max_contacts: int = 4
    enabled: bool = True
