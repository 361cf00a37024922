"""Verb `netd.about`: whether this netd can change the network, and what it knows."""

from __future__ import annotations

import os
from typing import Any

from appliance.network.netd.part import Client, Part, Tools, Verb
from appliance.network.netd.protocol import Args


class About(Part):
    name = "netd"

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def verbs(self) -> dict[str, Verb]:
        return {"netd.about": Verb(Args, self._about, changes=False)}

    async def _about(self, _: Args, __: Client) -> dict[str, Any]:
        """{"unable": why it cannot change the network or "", "pid"}."""
        return {"unable": self._tools.unable, "pid": os.getpid()}


def make(tools: Tools) -> Part:
    return About(tools)
