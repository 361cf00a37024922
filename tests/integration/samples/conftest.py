"""A box with a sample site in force, its telephones and its carrier; one per module, for starting them takes longer than the calls."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from appliance.cli.main import main
from tests.support.baresip import Baresip
from tests.support.box import Box
from tests.support.carrier import Call, Carrier
from tests.support.pjphone import PjCall, PjPhone
from tests.support.sites import make_site
from tests.support.tone import PROOF, tone_fraction

OUTSIDE = "+12025550199"


class World:
    """The box on a sample site. `phone(device)` is registered as that device and rings until it is told to answer; a carrier is the trunk `carrier`."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack, sample: str, changes: dict[str, str]) -> None:
        self.folder, self._stack = folder, stack
        self.box: Box = stack.enter_context(Box(folder, make_site(1)))
        self.carrier: Carrier = stack.enter_context(Carrier("127.0.0.2"))
        self._phones: dict[str, Any] = {}
        self.cli("site", "import", "--sample", sample, "--discard")
        self.change({"trunks.carrier.host": self.carrier.ip, "trunks.carrier.port": str(self.carrier.port), **changes}, commit=False)
        for device in self.value("devices"):
            self.cli("site", "set", f"devices.{device}.secret", secret(device))
        self.cli("site", "commit")
        self.domain: str = self.value("domain")

    # ---- the command -----------------------------------------------------------------------------------------------

    def cli(self, *words: str, code: int = 0) -> str:
        """`holdfast …`; what it said."""
        result = CliRunner(env={**self.box.env, "USER": "installer"}).invoke(main, list(words))
        assert result.exit_code == code, f"holdfast {' '.join(words)}: {result.output}"
        return result.output

    def value(self, path: str) -> Any:
        """What the candidate has there."""
        return json.loads(self.cli("site", "show", path, "--json"))["value"]

    def change(self, values: dict[str, str], commit: bool = True) -> str:
        """Set each path to its value, and put that into force."""
        for path, value in values.items():
            self.cli("site", "set", path, value)
        return self.cli("site", "commit") if commit else ""

    # ---- telephones ------------------------------------------------------------------------------------------------

    def phone(self, device: str, **options: Any) -> PjPhone:
        """The telephone of that device (pjsua2), the same one for all tests of the module."""
        if device not in self._phones:
            made = self._stack.enter_context(PjPhone(self.folder / device, answers=(180,), **options))
            user = self.value(f"devices.{device}.sip_user")
            assert made.register(user, secret(device), self.box.sip, domain=self.domain).ok
            self._phones[device] = made
        found: PjPhone = self._phones[device]
        return found

    def baresip(self, device: str) -> Baresip:
        """The same with baresip, which answers by `accept`."""
        if device not in self._phones:
            made = self._stack.enter_context(Baresip(self.folder / device, answer="manual"))
            user = self.value(f"devices.{device}.sip_user")
            assert made.register(user, secret(device), self.box.sip, domain=self.domain)["type"] == "REGISTER_OK"
            self._phones[device] = made
        found: Baresip = self._phones[device]
        return found

    def dial(self, device: str, number: str) -> PjCall:
        """That device dials."""
        return self.phone(device).call(self.box.uri(number))

    def call_in(self, number: str, caller: str = OUTSIDE) -> Call:
        """A call from outside for one of the site's numbers."""
        return self.carrier.call(self.box.uri(number), self.box.sip, from_uri=f"sip:{caller}@{self.carrier.ip}")

    def last_path(self, through: str) -> list[str]:
        """The way through flows that the newest record has, once it is one through the step `through`."""
        rows = self.box.rpc("calls.history", limit=1)["calls"]
        return rows[0]["path"] if rows and through in str(rows[0]["path"]) else []

    def settle(self) -> None:
        """Until no call is left."""
        self.box.wait_idle(15.0)


def secret(device: str) -> str:
    return f"secret-of-{device}"


def ringing(phone: PjPhone, timeout_s: float = 10.0) -> PjCall:
    """The call that rings there now."""
    return phone.incoming(timeout_s).wait("EARLY")


def talk(caller: PjCall, answered: PjCall) -> None:
    """Both hear each other's tone, then the caller hangs up."""
    caller.wait("CONFIRMED")
    answered.wait("CONFIRMED")
    answered.wait_heard(150)
    caller.wait_heard(150)
    caller.hangup()
    answered.wait("DISCONNECTED")
    for call in (caller, answered):
        assert tone_fraction(call.recording, seconds=2.0) >= PROOF


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., World]]:
    """`world(sample, {path: value to begin with})`."""
    if find_spec("pjsua2") is None or find_spec("_holdfast_shim") is None:
        pytest.skip("the SIP library is not built yet (`make test` builds it)")
    with contextlib.ExitStack() as stack:
        yield lambda sample, changes=None: World(tmp_path_factory.mktemp(sample), stack, sample, changes or {})
