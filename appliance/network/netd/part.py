"""What a file of verbs is: a `Part` in a module of `parts/`, which has `make(tools) -> Part`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from appliance.network.netd.nft import Nft
from appliance.network.netd.protocol import Args
from appliance.network.netd.undo import UndoFiles


@dataclass(frozen=True, slots=True)
class Client:
    """One connection: `serial` is its own among all of this netd's."""

    serial: int
    uid: int
    pid: int


@dataclass(frozen=True, slots=True)
class Verb:
    """`run` gets checked arguments; what it returns is the answer, as JSON. It raises HoldfastError for what the caller should read."""

    args: type[Args]
    run: Callable[[Any, Client], Awaitable[dict[str, Any]]]
    changes: bool = True
    """It changes the network: refused with a reason where netd may not."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What parts work with. `unable`: why netd cannot change the network, "" where it can."""

    nft: Nft
    undo: UndoFiles
    unable: str


class Part:
    """A few verbs that belong together. `name` is unique; the verbs' names begin with it and a dot (`drill.cut`)."""

    name = ""

    def verbs(self) -> dict[str, Verb]:
        raise NotImplementedError

    async def heal(self) -> None:
        """When netd starts, before anybody is listened to: take back what a killed one left and no undo file covers."""

    async def undo(self, what: dict[str, Any]) -> None:
        """Take back what an undo file of this part describes; it may be gone already. An exception has it tried again."""

    async def left(self, client: Client) -> None:
        """A connection has ended: take back what was to last as long as it."""

    async def stop(self) -> None:
        """The orderly end of netd, after the last connection: take back what must not outlive the box."""
