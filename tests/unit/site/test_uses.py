"""Who refers to an object: every reference of the models and of the kinds of steps is found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from appliance.callflow.registry import kinds
from appliance.site.model.site import Site
from appliance.site.sentences import REFERS
from appliance.site.uses import uses

DOCUMENT = {
    "users": {"dana": {"name": "Dana", "flow": "menu", "forwarding": {"busy": [{"user": "lee"}]}}},
    "mailboxes": {"dana": {"owner": "dana", "greeting": "hello"}},
    "groups": {"all": {"users": ["dana", "lee"]}},
    "numbers": {"main": {"destination": {"kind": "flow", "target": "menu"}}, "fax": {"destination": {"kind": "extension", "target": "menu"}}},
    "flows": {
        "menu": {
            "start": "a",
            "steps": {
                "a": {"type": "play", "settings": {"audio": "hello"}, "exits": {"user": "dana"}},
                "b": {"type": "dial", "settings": {"targets": [{"user": "dana"}, {"group": "all"}]}},
                "c": {"type": "schedule", "settings": {"schedule": "hello"}},
            },
        }
    },
}


def test_every_place_is_found_and_nothing_of_another_kind() -> None:
    assert uses(DOCUMENT, "audio", "hello") == [("mailboxes", "dana", "greeting"), ("flows", "menu", "steps", "a", "settings", "audio")]
    assert uses(DOCUMENT, "schedules", "hello") == [("flows", "menu", "steps", "c", "settings", "schedule")]
    assert uses(DOCUMENT, "users", "dana") == [
        ("mailboxes", "dana", "owner"), ("groups", "all", "users", 0), ("flows", "menu", "steps", "b", "settings", "targets", 0, "user"),
    ]  # fmt: skip
    assert uses(DOCUMENT, "flows", "menu") == [("users", "dana", "flow"), ("numbers", "main", "destination")]
    assert uses(DOCUMENT, "groups", "all") == [("flows", "menu", "steps", "b", "settings", "targets", 1, "group")]


def test_a_candidate_full_of_mistakes_is_looked_through_too() -> None:
    assert uses({"flows": None, "users": ["dana"], "numbers": {"x": 3, "y": {"destination": {"kind": "flow", "target": None}}}}, "users", "dana") == []


def _referring(schema: Any) -> Iterator[tuple[str, str]]:
    """(field, kind it names) of every reference in a JSON schema of settings."""
    if isinstance(schema, dict):
        for name, field in (schema.get("properties") or {}).items():
            yield from ((name, kind) for kind in _kinds(field))
        for part in schema.values():
            yield from _referring(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _referring(part)


def _kinds(field: Any) -> Iterator[str]:
    if isinstance(field, dict):
        if "refers" in field:
            yield field["refers"]
        for name, part in field.items():
            if name in {"anyOf", "allOf", "items", "prefixItems"}:
                yield from _kinds(part)
    elif isinstance(field, list):
        for part in field:
            yield from _kinds(part)


def test_references_of_every_kind_of_step_are_known_by_the_names_of_their_fields() -> None:
    plural = {"mailbox": "mailboxes", "audio": "audio"}
    found = {(name, plural.get(kind, f"{kind}s")) for node in kinds().values() for name, kind in _referring(node.describe()["settings"]) if kind != "extension"}
    assert {("schedule", "schedules"), ("audio", "audio"), ("user", "users")} <= found
    assert {(name, kind) for name, kind in found if REFERS.get(name) != kind} == set()
    assert set(REFERS.values()) <= set(Site.model_fields)
