"""The engine, but every call switches each second between RTP forwarding and the bridge, as recording or listening-in makes it.

HOLDFAST_READY_FD=… python -m tests.support.joinbox        (with the settings of the engine; see `JoinBox`)
"""

from __future__ import annotations

import asyncio
import os

from appliance.app import logs
from appliance.app.child import ParentLink
from appliance.app.settings import Settings
from appliance.app.wiring import Box as Engine
from appliance.calls.session import Session
from tests.support import box

SWITCH_S = 1.0


class JoinBox(box.Box):
    """A `Box` that runs this program. `switches()` counts how often it has switched."""

    def _launch(self, module: str, **options: object) -> None:
        assert module == "appliance", "runs without a supervisor"
        super()._launch("tests.support.joinbox", **options)  # type: ignore[arg-type]

    def switches(self) -> int:
        assert self.program is not None
        return sum(1 for line in self.program.lines if line.startswith("switched "))


async def _run(settings: Settings, parent: ParentLink) -> None:
    engine = Engine(settings)
    await engine.start()
    parent.ready(engine.endpoint.listening, engine.revision)
    allowed = True
    while True:
        await asyncio.sleep(SWITCH_S)
        allowed = not allowed
        for row in engine.context.live.rows():
            call = engine.context.live.get(row.id)
            if isinstance(call, Session) and call.far is not None:
                engine.endpoint.forwarding(allowed, call.near.leg, call.far.leg)
                print(f"switched {row.id} to {'forwarding' if allowed else 'the bridge'}", flush=True)


if __name__ == "__main__":
    chosen = Settings.from_env(os.environ)
    logs.set_up(chosen.log)
    asyncio.run(_run(chosen, ParentLink.from_env(os.environ)))
