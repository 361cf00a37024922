"""Worker job "network": how the network is, as the machine sees it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from appliance.network.look import clock_kept, kernel, name_servers


def network(given: dict[str, Any]) -> dict[str, Any]:
    """`given`: {"hosts": names the site needs}. Returns the fields of `look.Kernel`, "name_servers", "clock_kept". Raises StateError."""
    return {**asdict(kernel()), "name_servers": [asdict(server) for server in name_servers(given["hosts"])], "clock_kept": clock_kept()}
