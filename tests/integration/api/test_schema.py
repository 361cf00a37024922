"""The whole description of the API tried out by schemathesis: whatever is sent, no fault of ours, and no answer that is not described."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from appliance.site.paths import KINDS
from tests.support.api import ROOT, Api
from tests.support.web import Web, office
from webui.api.v1.about import described

EXAMPLES = 3
"""Of each operation, of what it should take and of what it should not. One of those that are slow, of those without anything to choose, and of those that
another kind of object has just the same: its GET, PATCH and DELETE are one code with one schema, tried out with users.
"""
MAY_MISS = ("GET /trace", "GET /voicemail", "GET /site")
"""Their parameters name things that need not be there."""
SLOW = ("GET /commits/check", "GET /flow-kinds", "POST /flow-outlines", "POST /simulations", "POST /commits/rollback", "PUT /site", "GET /network")
"""A process of their own, the whole site, or a look around."""
SAME = re.compile(rf"(GET|PATCH|DELETE) /({'|'.join(kind for kind in KINDS if kind != 'users')})(/{{id}})?")
TOKENS = 8
"""Taken in turns: one may ask 50 times a second, and a fast machine would see nothing but 429."""
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance, response_schema_conformance]
SCHEMA: Any = schemathesis.openapi.from_dict(described())
ENDS = ("POST /restart",)
"""They end the engine that the others ask: tried in tests/integration/web/test_system.py."""
OPERATIONS = {each.ok().label: each.ok() for each in SCHEMA.get_all_operations() if each.ok().label not in ENDS}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    site = office()
    site["mailboxes"] = {"box-201": {"name": "Of 201", "owner": "user-201"}}
    with Web(tmp_path_factory.mktemp("api"), site, engine=True) as made:
        yield made


@pytest.fixture(scope="module")
def sessions(web: Web) -> Iterator[Iterator[requests.Session]]:
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(contextlib.closing(requests.Session())) for _ in range(TOKENS)]
        apis = [stack.enter_context(Api(web)) for _ in made]
        for session, api in zip(made, apis, strict=True):
            session.headers["Authorization"] = f"Bearer {api.token}"
        yield itertools.cycle(made)
        assert apis[0].get("/status").status_code == 200, "the engine runs"


def examples(label: str) -> int:
    """How many of an operation."""
    method, path = label.split()
    written = described()["paths"][path][method.lower()]
    plain = not written["parameters"] and "requestBody" not in written
    return 1 if label in SLOW or SAME.fullmatch(label) or plain else EXAMPLES


def test_every_operation_is_tried() -> None:
    assert len(OPERATIONS) + len(ENDS) == sum(len(methods) for methods in described()["paths"].values())


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["good", "bad"])
@pytest.mark.parametrize("label", OPERATIONS)
def test_no_fault_and_no_answer_that_is_not_described(web: Web, sessions: Iterator[requests.Session], label: str, mode: GenerationMode) -> None:
    operation = OPERATIONS[label]
    statuses: list[int] = []
    session = next(sessions)

    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    @hypothesis.settings(
        max_examples=examples(label), deadline=None, derandomize=True, database=None,
        phases=[hypothesis.Phase.generate], suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    def send(case: Any) -> None:
        response = case.call(base_url=web.url(ROOT), session=session, verify=False)
        assert response.status_code != 429, "then nothing is tried out"
        statuses.append(response.status_code)
        case.validate_response(response, checks=CHECKS)

    try:
        send()
    except hypothesis.errors.Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE, "there is nothing that it would take"
    if mode is GenerationMode.POSITIVE and re.fullmatch(r"PUT /\w+/{id}|GET /(\w+|commits/pending)", label) and label not in MAY_MISS:
        assert min(statuses) < 300, f"what fits the description is taken: {statuses}"
