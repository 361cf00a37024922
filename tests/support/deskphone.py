"""A phone's settings for tests of provisioning."""

from __future__ import annotations

from typing import Any

from provisioning.phone import Line, Phone


def phone(**fields: Any) -> Phone:
    """A Yealink at extension 201; `fields` replace what it says."""
    line = Line(user="user-201", password='p<&"w 1', display="Zoë <b>", label="201", voicemail="*98")
    given = {
        "mac": "805ec0112233", "model": "yealink-t33g", "domain": "holdfast.local", "address": "192.168.1.2", "port": 5060, "lines": (line,),
        "emergency": ("911", "933"), "zone": "EST5EDT,M3.2.0,M11.1.0", "ntp": "192.168.1.2", "admin_password": "a&dmin",
        "url": "http://192.168.1.2:8081/p/0123456789abcdef/",
    }  # fmt: skip
    return Phone.model_validate({**given, **fields})
