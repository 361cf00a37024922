"""Who may change the site."""

from __future__ import annotations

from typing import Literal

from appliance.site.model.base import Name, Part, Text

Role = Literal["administrator", "installer"]


class Administrator(Part):
    """A person who signs in to the web pages by this object's id; the password is in the vault. An `installer` sets up phones and lines, but admits nobody."""

    name: Name
    role: Role = "administrator"
    email: Text = ""
    enabled: bool = True
    """False: cannot sign in, and nothing of theirs is lost."""
