"""The sample site of a box nobody has configured yet."""

from __future__ import annotations

import tomllib
from importlib import resources

from appliance.site.document import parse
from appliance.site.model.site import Site


def sample_site() -> Site:
    """The embedded sample. Its devices get secrets of their own at first start: no two boxes share one, and none is in the product."""
    return parse(tomllib.loads(resources.files("appliance.site").joinpath("sample.toml").read_text(encoding="utf-8")))[0]
