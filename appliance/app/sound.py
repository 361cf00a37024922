"""How calls sound, for the control socket and for the records: what calls.quality judged, as shapes."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from appliance.calls.quality import Quality
from appliance.control import shapes
from appliance.control.server import Peer
from appliance.errors import NotFound
from appliance.state.records import CallRecord, Wanted
from appliance.types import SessionId

if TYPE_CHECKING:
    from appliance.app.wiring import Box

log = logging.getLogger(__name__)


def shape(quality: Quality | None) -> shapes.SoundShape | None:
    return None if quality is None else cast(shapes.SoundShape, {**asdict(quality), "sides": [asdict(side) for side in quality.sides],
                                                                 "findings": [asdict(finding) for finding in quality.findings]})  # fmt: skip


def text(quality: Quality | None) -> str:
    """What a record keeps."""
    return json.dumps(_rounded(shape(quality)), separators=(",", ":")) if quality is not None else ""


def of_record(record: CallRecord) -> shapes.SoundShape | None:
    """None: not measured."""
    if not record.sound:
        return None
    try:
        return cast(shapes.SoundShape, json.loads(record.sound))
    except ValueError:  # not of our writing; the rest of the record still counts
        log.warning("the sound of call %s is not readable", record.session)
        return None


def _rounded(value: Any) -> Any:
    """Three places are enough on disk."""
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, list) else value


async def sound(box: Box, params: dict[str, Any], _: Peer) -> shapes.SoundResult:
    """The method calls.sound."""
    session = SessionId(params["call"])
    up = box.context.live.get(session) is not None
    step_s, course = box.listening.course(session)
    if up:
        found = shape(box.listening.live(session))
    else:
        records = await box.loop.run_in_executor(None, box.history, 1, 0, Wanted(session=session))
        if not records:
            raise NotFound(f"No call {params['call']} is known", "`holdfast calls` and `holdfast calls history` list the calls and their ids")
        found = of_record(records[0])
    return {"call": session, "up": up, "sound": found, "step_s": step_s, "course": [cast(shapes.CourseShape, asdict(one)) for one in course]}
