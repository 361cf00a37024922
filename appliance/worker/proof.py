"""Worker job "proof": the emergency proof of a document, whole: which phones, which numbers, what leaves over which trunk."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from appliance.calls.emergency_proof import Group, prove
from appliance.errors import DocumentError
from appliance.site.model.site import Site
from appliance.site.wording import translate


def proof(given: dict[str, Any]) -> dict[str, Any]:
    """`given`: {"document", "before": the document in force, or None}.

    Returns {"problems": [{path, sentence, hint}], "warnings": [sentence], "cases", "groups": [{"phones", "place", "callback", "known", "calls": [{"number",
    "sent": {trunk name: what it is asked for}, "problem"}]}]}. Raises DocumentError for a document whose fields cannot be read.
    """
    try:
        site = Site.model_validate(given["document"])
        before = Site.model_validate(given["before"]) if given["before"] is not None else None
    except ValidationError as error:
        raise DocumentError("the site document cannot be read, so nothing can be proved", translate(error)) from None
    found = prove(site, before)
    return {
        "problems": [problem.as_dict() for problem in found.problems],
        "warnings": list(found.warnings),
        "cases": found.cases,
        "groups": [_group(group) for group in found.groups],
    }


def _group(group: Group) -> dict[str, Any]:
    calls = [{"number": call.number, "sent": call.sent, "problem": call.problem} for call in group.calls]
    return {"phones": list(group.phones), "place": group.place, "callback": group.callback, "known": group.known, "calls": calls}
