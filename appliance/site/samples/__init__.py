"""Whole sites to begin from, one per style of telephone system; each is a site file without secrets."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any

from appliance.errors import NotFound
from appliance.site.wording import close, quoted


def names() -> tuple[str, ...]:
    """The names of the samples, in order."""
    return tuple(sorted(path.name.removesuffix(".toml") for path in resources.files(__name__).iterdir() if path.name.endswith(".toml")))


def about(name: str) -> str:
    """What the sample shows: the comment it begins with. Raises NotFound."""
    return _text(name).partition("\n")[0].removeprefix("# ")


def read(name: str) -> dict[str, Any]:
    """The sample as a raw document, for the editor's `replace`. Raises NotFound."""
    return tomllib.loads(_text(name))


def _text(name: str) -> str:
    if name not in names():
        raise NotFound(f"There is no sample site {quoted(name)}", close(name, names()))
    return resources.files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8")
