"""netd's end of its socket: who may speak, one verb after the other for each connection, and word to the parts when a connection ends."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from appliance.errors import HoldfastError
from appliance.network.netd.part import Client, Part, Verb
from appliance.network.netd.protocol import MAX_FRAME, NetdError, checked, decode, encode

log = logging.getLogger(__name__)

MAX_CLIENTS = 16
VERB_S = 20.0
"""Longest time of one verb."""
_PEERCRED = struct.Struct("3i")


class Server:
    """Listens for root and the user netd runs as, whom the kernel names (SO_PEERCRED, unix(7)); anybody else is hung up on."""

    def __init__(self, path: Path, parts: Sequence[Part], unable: str) -> None:
        self._path = path
        self._parts = tuple(parts)
        self._unable = unable
        self._verbs: dict[str, Verb] = {name: verb for part in parts for name, verb in part.verbs().items()}
        self._serial = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None

    async def start(self) -> None:
        """Raises NetdError when the socket cannot be made."""
        partial = self._path.with_name(f".{os.getpid()}.netd")
        try:
            self._path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            partial.unlink(missing_ok=True)
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as made:
                # Through the folder's descriptor, so that sun_path's limit holds for the real name only; in place when it is complete.
                folder = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    made.bind(f"/proc/self/fd/{folder}/{partial.name}")
                finally:
                    os.close(folder)
                partial.chmod(0o660)
                made.listen(MAX_CLIENTS)
                self._listener = await asyncio.start_unix_server(self._serve, sock=made.dup(), limit=MAX_FRAME)
            # Two netds of one box do not meet: the supervisor, or systemd, starts one.
            partial.replace(self._path)
        except OSError as error:
            raise NetdError(f"The socket {self._path} cannot be made: {error.strerror}", "check its folder, or set HOLDFAST_NETD to another path") from error

    async def stop(self) -> None:
        """No more listening; every connection ends, and the parts hear of it."""
        if self._listener is not None:
            self._listener.close()
            self._path.unlink(missing_ok=True)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        pid, uid, _ = _PEERCRED.unpack(writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEERCRED.size))
        self._serial += 1
        client = Client(self._serial, uid, pid)
        if uid not in {0, os.getuid()} or len(self._tasks) >= MAX_CLIENTS:
            log.warning("uid %d (pid %d) is not listened to", uid, pid)
            writer.close()
            return
        self._tasks.add(task)
        try:
            while line := await reader.readline():
                writer.write(encode(await self._answer(line, client)))
                await writer.drain()
        except (ConnectionError, ValueError, asyncio.CancelledError):  # ValueError: a line beyond MAX_FRAME
            pass
        finally:
            writer.close()
            await self._left(client)
            self._tasks.discard(task)

    async def _left(self, client: Client) -> None:
        for part in self._parts:
            try:
                await part.left(client)
            except Exception:
                log.exception("what %s did for a client that left could not be taken back now", part.name)

    async def _answer(self, line: bytes, client: Client) -> dict[str, Any]:
        name = ""
        try:
            message = decode(line)
            name = str(message.get("verb", ""))
            verb = self._verbs.get(name)
            if verb is None:
                raise NetdError(f"There is no verb {name[:80]!r}", f"netd knows {', '.join(sorted(self._verbs))}", code="unknown-verb")
            args = checked(verb.args, message.get("args", {}))
            if verb.changes and self._unable:
                raise NetdError(f"The network cannot be changed: {self._unable}", "run the box as root, or install its package", code="unable")
            async with asyncio.timeout(VERB_S):
                result = await verb.run(args, client)
            if verb.changes:
                log.info("%s by uid %d (pid %d), %d bytes", name, client.uid, client.pid, len(line))
            return {"result": result}
        except HoldfastError as error:
            log.warning("%s by uid %d (pid %d) refused: %s", name or "a request", client.uid, client.pid, error)
            return {"error": error.as_dict()}
        except TimeoutError:
            log.error("%s did not end within %.0f s", name, VERB_S)
            return {"error": NetdError(f"{name} did not end within {VERB_S:.0f} s", "try again", code="timeout").as_dict()}
        except Exception:
            log.exception("%s failed", name)
            return {"error": NetdError(f"{name} failed inside netd", "its log says why", code="internal").as_dict()}
