"""Fixtures of the integration tests: boxes, phones, networks; everything they start is ended, whatever the test did."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.support import net
from tests.support.baresip import Baresip
from tests.support.box import Box
from tests.support.carrier import Carrier
from tests.support.linphone import Linphone
from tests.support.pjphone import PjPhone

BoxMaker = Callable[..., Box]
PhoneMaker = Callable[..., Any]
PHONES: dict[str, type[Any]] = {"baresip": Baresip, "linphone": Linphone, "pjsua2": PjPhone}


@pytest.fixture(scope="session", autouse=True)
def _swept() -> None:
    """Namespaces that a killed session left behind go first."""
    net.sweep()


@pytest.fixture
def opened() -> Iterator[contextlib.ExitStack]:
    """What is entered here is closed after the test, the latest first."""
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def box(tmp_path: Path, opened: contextlib.ExitStack) -> BoxMaker:
    """`box(site, **options) -> Box`, ready."""
    if find_spec("pjsua2") is None or find_spec("_holdfast_shim") is None:
        pytest.skip("the SIP library is not built yet (`make test` builds it)")
    return lambda *args, **options: opened.enter_context(Box(tmp_path, *args, **options))


@pytest.fixture
def phone(tmp_path: Path, opened: contextlib.ExitStack) -> PhoneMaker:
    """`phone(name, kind="pjsua2", **options)` -> PjPhone, Baresip or Linphone in a folder of that name."""

    def make(name: str, kind: str = "pjsua2", **options: Any) -> Any:
        return opened.enter_context(PHONES[kind](tmp_path / name, **options))

    return make


@pytest.fixture
def carrier(opened: contextlib.ExitStack) -> Callable[..., Carrier]:
    """`carrier(**options) -> Carrier`."""
    return lambda *args, **options: opened.enter_context(Carrier(*args, **options))


@pytest.fixture
def site_net(opened: contextlib.ExitStack) -> Callable[..., net.SiteNet]:
    """`site_net(**options) -> SiteNet`; skips where namespaces cannot be made."""
    if reason := net.privileged():
        pytest.skip(reason)
    return lambda *args, **options: opened.enter_context(net.site_net(*args, **options))
