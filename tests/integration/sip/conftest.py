"""Fixtures of the SIP side's tests: the side alone, without calls."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.conftest import PhoneMaker
from tests.support.barebox import BareBox, BareLeg
from tests.support.pjphone import PjCall
from tests.support.sites import Document, secret


@pytest.fixture
def bare(tmp_path: Path, opened: contextlib.ExitStack) -> Callable[..., BareBox]:
    """`bare(site=None) -> BareBox`, ready."""
    return lambda site=None: opened.enter_context(BareBox(tmp_path, site))


@pytest.fixture
def up(bare: Callable[..., BareBox], phone: PhoneMaker) -> Callable[..., tuple[BareBox, PjCall, BareLeg]]:
    """`up(site=None, **phone options)`: a box, a pjsua2 phone's call to it, and its leg there, answered."""

    def make(site: Document | None = None, **options: object) -> tuple[BareBox, PjCall, BareLeg]:
        box = bare(site)
        caller = phone("p201", **options)
        assert caller.register("201", secret(201), box.sip).ok
        call = caller.call(box.uri("900"))
        leg = box.incoming().answer()
        return box, call.wait("CONFIRMED"), leg

    return make
