"""The short-lived process of one job, `python -m appliance.worker JOB`: heavy work that must not hold the interpreter of a process that lives on.

A job is a module of this package with a function of its own name: JSON object in, JSON value out; `get_ready` may load what it needs. They are started by
`appliance.site.working`.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import re
import sys

from appliance.errors import HoldfastError

NICE = 5
"""Calls come before what a worker does."""


def main(arguments: list[str]) -> int:
    """Stdin: the payload. Stdout: {"result": …}, or {"error": HoldfastError.as_dict()}; after a bug there is a traceback on stderr instead, and exit code 1."""
    # A library that prints must not spoil the answer.
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as answer:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        os.nice(NICE)
        job = arguments[0] if len(arguments) == 1 else ""
        if not re.fullmatch(r"[a-z][a-z_]*", job) or importlib.util.find_spec(f"appliance.worker.{job}") is None:
            print(f"there is no job {job!r}", file=sys.stderr)
            return 2
        try:
            module = importlib.import_module(f"appliance.worker.{job}")
            getattr(module, "get_ready", lambda: None)()  # while the caller still gathers the payload
            said = {"result": getattr(module, job)(json.load(sys.stdin.buffer))}
        except HoldfastError as error:
            said = {"error": error.as_dict()}
        answer.write(json.dumps(said).encode())
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    # Taking the interpreter down tidily would cost a tenth of what the job does.
    os._exit(code)
