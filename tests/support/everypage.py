"""Every page of the web UI, by area; what is true of a page is tested on all of them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from tests.support.web import Web
from webui.app import create_app
from webui.config import Config

SIZES = ((1280, 800), (768, 1024), (360, 740))
AREAS = ("account", "apply", "calls", "diag", "emergency", "flows", "home", "lines", "me", "more", "people", "phones", "settings", "welcome")
"""The first words of their addresses: what tests are repeated for. `test_pages.py` says when one is missing."""
ELSEWHERE = {"access.claim", "access.sign_in", "front"}
PARTS = {"apply.checks", "lines.firewall_now", "settings.alerts_state"}
"""What only scripts ask for, to put it into a page."""


def pages(web: Web) -> Iterator[str]:
    """Addresses of every page that a GET opens: arguments are filled with an object of the candidate."""
    app = create_app(Config(web.data, web.box.control))
    document = web.editor().show("").value
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        skip = rule.endpoint.split(".")[0] in {"static", "live", "health"} or rule.endpoint in ELSEWHERE | PARTS
        if skip or "GET" not in (rule.methods or ()) or rule.rule.startswith("/api"):
            continue
        kinds = [kind for kind in document if f"/{kind}/" in rule.rule and isinstance(document[kind], dict)]
        kind = max(kinds, key=lambda kind: rule.rule.rindex(f"/{kind}/"), default="users")  # `/flows/schedules/<key>` is a schedule's
        key = next(iter(document.get(kind) or {}), None)
        if rule.arguments and (key is None or rule.arguments != {"key"}):
            continue
        yield re.sub(r"<[^>]+>", str(key), rule.rule)


def by_area(web: Web) -> dict[str, list[str]]:
    """Area -> its addresses."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path in pages(web):
        found[path.split("/")[1]].append(path)
    return dict(found)
