"""What every part of the site document shares: strict models and the field types with their rules."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints


class Part(BaseModel):
    """A part of the document: frozen, unknown fields refused (a typing slip must not pass silently)."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


def _text(value: str) -> str:
    if re.search(r"[\x00-\x1f\x7f]", value):
        raise ValueError("holds a control character; use plain text on one line")
    return value


Text = Annotated[str, StringConstraints(max_length=120), AfterValidator(_text)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=80), AfterValidator(_text)]
Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Extension = Annotated[str, StringConstraints(pattern=r"^[0-9]{2,8}$")]
SipUser = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._+-]{1,64}$")]
E164 = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$")]
Host = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.:-]{0,252}[A-Za-z0-9])?$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Digits = Annotated[str, StringConstraints(pattern=r"^[0-9*#]{1,12}$")]
