"""Fixtures of the API's tests: one box for a file of tests, whose objects each test names for itself."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.api import Api
from tests.support.web import Web, office


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """The office, without an engine."""
    with Web(tmp_path_factory.mktemp("api"), office()) as made:
        yield made


@pytest.fixture
def api(web: Web) -> Iterator[Api]:
    """A client that may do everything. Each test has its own: one token may ask 50 times a second, which a file of tests does on a fast machine."""
    with Api(web) as made:
        yield made


@pytest.fixture
def client(web: Web) -> Iterator[Callable[..., Api]]:
    """`client(*scopes)`: another client."""
    with contextlib.ExitStack() as stack:
        yield lambda *scopes: stack.enter_context(Api(web, *scopes))


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Callable[..., Web]]:
    """`fresh(**options)`: a box of this test alone."""
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(Web(tmp_path, office(), **options))
