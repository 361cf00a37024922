"""The note that keeps the PIN of the SIM card from being entered twice: three wrong ones lock a card for good."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from appliance.site import files
from appliance.site.secrets import SIM

NAME = SIM.name("sim")


def note(data: Path) -> Path:
    """The file of the data folder that says which PIN was entered last and has not opened the card."""
    return data / "state" / "sim-pin"


def set_again(data: Path, value: str, counting: Mapping[str, str]) -> None:
    """A person has set the PIN `value`, of the secrets that count `counting`: where it is the same as before, it is entered once more.

    Nothing but a person's hand may call this, or a wrong PIN would be tried until the card is locked. Raises StateError.
    """
    if value and value == counting.get(NAME):
        with files.translated("have the PIN of the SIM card entered again"):
            note(data).unlink(missing_ok=True)
