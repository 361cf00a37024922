"""The check of a commit made in the test's own process: the same job, without a process of its own for each of hundreds of commits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from appliance.worker.check import check


class Here:
    """Put it in the place of `appliance.site.editing.Job`."""

    def __init__(self, job: str) -> None:
        assert job == "check"

    def finish(self, payload: Mapping[str, Any]) -> Any:
        return check(dict(payload))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass
