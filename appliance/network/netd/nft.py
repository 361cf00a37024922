"""Rules of the kernel's packet filter, by `nft -j`: each batch of commands is done whole or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
from collections.abc import Sequence
from typing import Any

from appliance.network.netd.protocol import NetdError

LIMIT_S = 10.0
_PATH = f"{os.defpath}:/usr/sbin:/sbin"
"""Of who starts netd, sbin is not always in it."""


def program() -> str | None:
    """Where nft is."""
    return shutil.which("nft", path=f"{os.environ.get('PATH', '')}:{_PATH}")


class Nft:
    """One batch at a time: the kernel would have one of two wait anyhow."""

    def __init__(self) -> None:
        self._one = asyncio.Lock()

    async def do(self, commands: Sequence[dict[str, Any]]) -> None:
        """Put `commands` (objects of libnftables-json(5)) into force as one transaction. Raises NetdError "nft"."""
        await self._run("-j", "-f", "-", given=json.dumps({"nftables": list(commands)}).encode())

    async def list(self, *words: str) -> list[dict[str, Any]]:
        """`nft -j list WORDS`: the objects; none where there is no such table. Raises NetdError "nft"."""
        try:
            found: list[dict[str, Any]] = json.loads(await self._run("-j", "list", *words))["nftables"]
        except NetdError as error:
            if "No such file" in error.sentence:
                return []
            raise
        return [each for each in found if "metainfo" not in each]

    async def _run(self, *words: str, given: bytes = b"") -> bytes:
        path = program()
        if path is None:
            raise NetdError("The program nft is missing", "install the Debian package nftables", code="nft")
        async with self._one:
            try:
                process = await asyncio.create_subprocess_exec(
                    path, *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
                )
            except OSError as error:
                raise NetdError(f"nft could not be started: {error.strerror}", code="nft") from error
            try:
                async with asyncio.timeout(LIMIT_S):
                    out, said = await process.communicate(given)
            except TimeoutError as error:
                raise NetdError(f"nft did not end within {LIMIT_S:.0f} s", "try again", code="nft") from error
            finally:
                if process.returncode is None:
                    with contextlib.suppress(ProcessLookupError):
                        process.kill()
                    await process.wait()
        if process.returncode:
            raise NetdError(f"nft refused: {said.decode(errors='replace').strip()[:600]}", "the log of netd has the whole of it", code="nft")
        return out


def table(name: str, family: str = "inet") -> list[dict[str, Any]]:
    """Commands that leave an empty table `name`, whatever was there."""
    made = {"table": {"family": family, "name": name}}
    return [{"add": made}, {"delete": made}, {"add": made}]


def without(name: str, family: str = "inet") -> list[dict[str, Any]]:
    """Commands that leave no table `name`, whether there was one or not."""
    made = {"table": {"family": family, "name": name}}
    return [{"add": made}, {"delete": made}]
