"""The engine's end of netd's socket: `call` for one verb, `Session` for what is to last as long as its connection and no longer."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from appliance.network.netd.protocol import MAX_FRAME, NetdError, decode, encode

ANSWER_S = 25.0


class Session:
    """One connection. When it is closed, by `close`, by a kill, by anything, netd takes back what was done over it that is bound to it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._one = asyncio.Lock()

    @classmethod
    async def open(cls, path: Path) -> Session:
        """Raises NetdError "netd-away"."""
        try:
            return cls(*await asyncio.open_unix_connection(str(path), limit=MAX_FRAME))
        except OSError as error:
            gone = isinstance(error, FileNotFoundError | ConnectionRefusedError)
            raise _away("it does not run" if gone else error.strerror or str(error)) from error

    async def call(self, verb: str, **args: Any) -> dict[str, Any]:
        """Have `verb` done; its answer. Raises NetdError: "netd-away" where netd is gone, else with the code and the sentence that netd gave."""
        async with self._one:
            try:
                async with asyncio.timeout(ANSWER_S):
                    self._writer.write(encode({"verb": verb, "args": args}))
                    await self._writer.drain()
                    line = await self._reader.readline()
            except (OSError, ValueError, TimeoutError) as error:
                raise _away(str(error) or "it does not answer") from error
        if not line.endswith(b"\n"):
            raise _away("it hung up")
        found = decode(line)
        refused = found.get("error")
        if refused is not None:
            raise NetdError(str(refused["sentence"]), str(refused.get("hint", "")), code=str(refused["code"]))
        result: dict[str, Any] = found["result"]
        return result

    def close(self) -> None:
        """At once, without waiting: netd hears of it within a millisecond."""
        self._writer.transport.abort()


async def call(path: Path, verb: str, **args: Any) -> dict[str, Any]:
    """One verb over a connection of its own. Raises NetdError."""
    session = await Session.open(path)
    try:
        return await session.call(verb, **args)
    finally:
        session.close()


def _away(why: str) -> NetdError:
    hint = "it is started again by itself; `systemctl status holdfast-netd` where systemd runs it, the box's log where not"
    return NetdError(f"The process that changes the network (netd) is not there: {why}", hint, code="netd-away")
