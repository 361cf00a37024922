"""What the pages need to know of the box they run on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from appliance.control.client import default_control, default_data


@dataclass(frozen=True, slots=True)
class Config:
    """`data`: the box's data folder. `control`: the engine's socket. `idle_s`: a sign-in ends after so long without a request."""

    data: Path
    control: Path
    idle_s: float = 1800.0

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Config:
        """As the supervisor and the command line read it."""
        return cls(default_data(env), default_control(env))

    @property
    def web(self) -> Path:
        """The folder of what only the pages use: sessions, the claim."""
        return self.data / "web"
