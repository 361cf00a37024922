"""Progress of long work: nothing for two seconds, then how far it has come; one line on a terminal, several elsewhere."""

from __future__ import annotations

import io
import sys

import pytest

from appliance.cli import progress
from appliance.cli.progress import Progress, size


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_what_is_soon_done_says_nothing(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("Backing up") as tell:
        clock[0] += 1.9
        tell(5, 10)
    assert capsys.readouterr() == ("", "")


def test_in_a_log_a_line_now_and_then(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("Backing up") as tell:
        for done in range(101):
            clock[0] += 0.5
            tell(done * 10_000_000, 1_000_000_000)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == [f"Backing up: {at} % ({at}0.0 MB)" for at in (3, 33, 63, 93)]


def test_on_a_terminal_one_line_that_goes_away(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    with Progress("Backing up") as tell:
        for done in range(10):
            clock[0] += 1.0
            tell(done, 0)
    lines = screen.getvalue().split("\r")
    assert "\n" not in screen.getvalue()
    assert lines[1].strip() == "Backing up: 99 % (1 bytes)"
    assert lines[-1] == "" and lines[-2].strip() == ""


@pytest.mark.parametrize(("count", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (3_400_000, "3.4 MB"), (2_500_000_000, "2.5 GB")])
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text
