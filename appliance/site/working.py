"""Jobs in a process of their own (`python -m appliance.worker`), with a time limit; whatever becomes of the process, the caller gets a result or an error."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from appliance.errors import DocumentError, HoldfastError, Problem

LIMIT_S = 60.0

log = logging.getLogger(__name__)


class WorkerError(HoldfastError):
    """A job did not come to an end."""

    code = "worker"


class Job:
    """A process that gets ready for `job` while its caller still gathers what it is to work on; a context, which leaves no process behind."""

    def __init__(self, job: str) -> None:
        """Raises WorkerError."""
        self._job = job
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(_command(job), env=_environment(), stdin=pipe, stdout=pipe, stderr=pipe)
        except OSError as error:
            raise _not_started(job, error) from error

    def finish(self, payload: Mapping[str, Any], limit_s: float = LIMIT_S) -> Any:
        """The result (JSON value). Blocks; once only. Raises WorkerError, and the job's own HoldfastError with its code."""
        try:
            out, err = self._process.communicate(json.dumps(payload).encode(), limit_s)
        except subprocess.TimeoutExpired:
            raise _late(self._job, limit_s) from None
        return _result(self._job, self._process.returncode, out, err)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        with self._process:  # closes the pipes and waits
            pass


def run_job(job: str, payload: Mapping[str, Any], limit_s: float = LIMIT_S) -> Any:
    """The result of `job` (JSON value). Blocks. Raises WorkerError, and the job's own HoldfastError with its code."""
    with Job(job) as made:
        return made.finish(payload, limit_s)


async def run_job_async(job: str, payload: Mapping[str, Any], limit_s: float = LIMIT_S) -> Any:
    """`run_job` for the loop; cancelling it ends the process."""
    data = json.dumps(payload).encode()
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(*_command(job), env=_environment(), stdin=pipe, stdout=pipe, stderr=pipe)
    except OSError as error:
        raise _not_started(job, error) from error
    try:
        out, err = await asyncio.wait_for(process.communicate(data), limit_s)
    except BaseException as error:
        if process.returncode is None:
            process.kill()
            await process.wait()
        if isinstance(error, TimeoutError):
            raise _late(job, limit_s) from None
        raise
    return _result(job, process.returncode or 0, out, err)


def _command(job: str) -> tuple[str, ...]:
    # -P: nothing is imported from the folder the caller happens to be in.
    return sys.executable, "-P", "-m", "appliance.worker", job


def _environment() -> dict[str, str]:
    here = str(Path(__file__).resolve().parents[2])
    # Looking for plugins takes a tenth of a worker's start.
    return {**os.environ, "PYDANTIC_DISABLE_PLUGINS": "1", "PYTHONPATH": os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH", ""))))}


def _result(job: str, code: int, out: bytes, err: bytes) -> Any:
    try:
        answer = json.loads(out) if code == 0 else {}
    except ValueError:
        answer = {}
    if "result" in answer:
        return answer["result"]
    if "error" in answer:
        said = answer["error"]
        if "problems" in said:
            raise DocumentError(said["sentence"], tuple(Problem(each["path"], each["sentence"], each["hint"]) for each in said["problems"]))
        raise HoldfastError(said["sentence"], said["hint"], code=said["code"])
    told = err.decode(errors="replace").strip()
    log.error("the worker process for %s ended with %d: %s", job, code, told[-4000:])
    why = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"failed: {told.splitlines()[-1][:200] if told else f'exit code {code}'}"
    raise WorkerError(f"The worker process for {job} {why}", "nothing was changed; try again, and report this if it comes back")


def _late(job: str, limit_s: float) -> WorkerError:
    return WorkerError(f"The worker process for {job} did not end within {limit_s:g} s", "the machine is overloaded: try again when fewer calls are up")


def _not_started(job: str, error: OSError) -> WorkerError:
    return WorkerError(f"The worker process for {job} could not be started: {error.strerror or error}", "free some memory, then try again")
