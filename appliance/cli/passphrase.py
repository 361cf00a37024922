"""The passphrase of a sealed file: typed twice for a new one, once for an old one, or read from a file."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from appliance.errors import HoldfastError
from appliance.site.sealing import weakness

PASSPHRASE_OPTION = click.option(
    "--passphrase-file", type=click.Path(path_type=Path), metavar="FILE", help="Read the passphrase from the first line of FILE (- is the input)."
)


def new_passphrase(file: Path | None) -> str:
    """For sealing. Raises HoldfastError for a weak one, or when there is nobody to ask."""
    found = _read(file) if file is not None else _ask("Passphrase for the sealed file", twice=True)
    why = weakness(found)
    if why:
        raise HoldfastError(why, "use four words or more that do not belong together", code="passphrase")
    return found


def known_passphrase(file: Path | None) -> str:
    """For opening. Raises HoldfastError when there is nobody to ask."""
    return _read(file) if file is not None else _ask("Passphrase of the sealed file", twice=False)


def _ask(text: str, *, twice: bool) -> str:
    if not sys.stdin.isatty():
        raise HoldfastError("The file is sealed under a passphrase, and there is nobody to ask for it", "name a file with --passphrase-file", code="passphrase")
    answer: str = click.prompt(text, hide_input=True, confirmation_prompt=twice, err=True)
    return answer


def _read(file: Path) -> str:
    try:
        text = sys.stdin.readline() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise HoldfastError(f"The passphrase cannot be read from {file}: {error}", "check the path", code="passphrase") from error
    first = text.splitlines()[0] if text else ""
    if not first:
        raise HoldfastError(f"The first line of {file} is empty", "write the passphrase there", code="passphrase")
    return first
