"""Jobs in their own process: a result, the job's own error, or one clear sentence whatever becomes of the process."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from appliance.errors import HoldfastError
from appliance.site import working
from appliance.site.canonical import canonical
from appliance.site.working import WorkerError, run_job, run_job_async
from tests.support.proc import wait_until

GOOD: dict[str, Any] = {"document": canonical({"name": "X"}), "before": None, "media": [], "secrets": []}


def workers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if child.is_running() and "appliance.worker" in " ".join(child.cmdline())]


def test_a_job_answers_and_leaves_no_process() -> None:
    said = run_job("check", GOOD)
    assert said["problems"] == []
    assert said["document"] is None  # that is how it came
    assert workers() == []
    assert asyncio.run(run_job_async("check", GOOD)) == said


def test_it_works_from_any_folder_and_imports_nothing_from_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    assert run_job("check", GOOD)["problems"] == []


@pytest.mark.parametrize("call", [run_job, lambda *args: asyncio.run(run_job_async(*args))])
def test_whatever_becomes_of_it_is_one_clear_error(call: Any, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(WorkerError) as caught:
        call("check", {"document": {}})
    assert "KeyError" in caught.value.sentence
    assert "Traceback" in caplog.text
    with pytest.raises(WorkerError, match="no job 'nonsense'"):
        call("nonsense", {})
    with pytest.raises(WorkerError, match="no job"):
        call("../check", {})
    with pytest.raises(WorkerError, match=r"did not end within 0\.01 s"):
        call("check", GOOD, 0.01)
    assert workers() == []


def test_a_jobs_own_error_keeps_its_code(tmp_path: Path) -> None:
    with pytest.raises(HoldfastError) as caught:
        run_job("examine", {"folder": str(tmp_path)})
    assert not isinstance(caught.value, WorkerError)
    assert caught.value.code not in {"error", "worker"}
    assert caught.value.hint


def test_a_killed_worker_is_named_with_the_signal() -> None:
    errors: list[HoldfastError] = []

    def work() -> None:
        try:
            run_job("check", GOOD)
        except HoldfastError as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    wait_until(workers, 10.0, "the worker", interval_s=0.001)
    workers()[0].kill()
    thread.join(20.0)
    assert "SIGKILL" in errors[0].sentence


def test_cancelling_ends_the_process() -> None:
    async def main() -> None:
        task = asyncio.create_task(run_job_async("check", GOOD))
        while not workers():
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert workers() == []


def test_a_worker_that_cannot_start_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working.sys, "executable", "/nonexistent/python")
    with pytest.raises(WorkerError, match="could not be started"):
        run_job("check", GOOD)
    with pytest.raises(WorkerError, match="could not be started"):
        asyncio.run(run_job_async("check", GOOD))


def test_a_worker_gives_way_to_calls() -> None:
    seen: list[int] = []
    thread = threading.Thread(target=lambda: run_job("check", GOOD))
    thread.start()

    def nice() -> bool:
        for worker in workers():
            try:
                seen.append(int(worker.nice()))
            except psutil.Error:
                continue
        return bool(seen) and max(seen) > os.nice(0)

    wait_until(nice, 10.0, "the worker being nice", interval_s=0.002)
    thread.join(20.0)
