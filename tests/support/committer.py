"""Processes that do nothing but edit and commit a site, to be killed: `python -m tests.support.committer DATA`.

Each line on stdin starts one (forked from this process, which has everything imported); stdout tells "born PID", what it was acknowledged ("named N",
"committed N REVISION"), "refused …" and "dead PID". What it writes is all of one number: the site's name, a user's name, a device's secret.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from appliance.errors import HoldfastError
from appliance.site import editing
from appliance.site.editing import Editor
from appliance.worker.check import check
from tests.support.checking import Here
from tests.support.sites import Document, make_site

USER, PHONE = "user-201", "phone-201"


def marked(number: int) -> Document:
    """A site whose parts are all of `number`."""
    site = make_site(40)
    site["name"] = str(number)
    site["users"][USER]["name"] = str(number)
    site["devices"][PHONE]["secret"] = secret_of(number)
    site["trunks"]["acme"] = {"name": "Acme", "host": "192.0.2.9", "emergency_armed": True, "health_seconds": 0}
    return site


def secret_of(number: int | str) -> str:
    return f"of-number-{number}"


def live(data: Path, start: int, whole: bool) -> None:
    """Edit and commit until killed. `whole`: with the real worker process; else its job runs here, which is faster and so dies in the writes more often."""
    if not whole:
        editing.Job = Here  # type: ignore[assignment,misc]
    editor = Editor(data, f"pid {os.getpid()}")
    number = start
    while True:
        number += 1
        try:
            editor.set("name", str(number))
            _say(f"named {number}")
            editor.set(f"users.{USER}.name", str(number))
            editor.set(f"devices.{PHONE}.secret", secret_of(number))
            made = editor.commit(f"number {number}", 5 if number % 3 == 0 else 0)
            _say(f"committed {number} {made.revision}")
        except HoldfastError as error:
            _say(f"refused {error.code} {error}")


def _say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


def main() -> None:
    data = Path(sys.argv[1])
    # Everything a commit needs the first time is made once, here.
    check({"document": Editor(data, "").show().value, "before": None, "media": [], "secrets": []})
    for line in sys.stdin:
        start, whole = map(int, line.split())
        child = os.fork()
        if child == 0:
            live(data, start, bool(whole))
        _say(f"born {child}")
        os.waitpid(child, 0)
        _say(f"dead {child}")


if __name__ == "__main__":
    main()
