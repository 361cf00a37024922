"""Commands that sentences of the product name exist, and who is told to change the candidate is told to commit it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import click
import pytest

from appliance.cli.main import main

ROOT = Path(__file__).resolve().parents[3]
NAMED = re.compile(r"`holdfast ([a-z][a-z -]*)")


def sentences() -> Iterator[tuple[str, str]]:
    """(where, text around) of all that names a command in what the product says."""
    for folder in ("appliance", "webui"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in {".py", ".html"}:
                lines = path.read_text("utf-8").splitlines()
                for at, line in enumerate(lines):
                    if NAMED.search(line):
                        yield f"{path.relative_to(ROOT)}:{at + 1}", "\n".join(lines[at : at + 2])


def exists(words: list[str]) -> bool:
    """Whether each word is a command of the one before; after one that has no others come its arguments."""
    context, command = click.Context(main), cast(click.Command, main)
    for word in words:
        if not isinstance(command, click.Group) or word.startswith("-"):
            return True
        found = command.get_command(context, word)
        if found is None:
            return command.invoke_without_command
        command = found
    return True


def test_the_commands_that_are_named_exist() -> None:
    named = [(where, each.split()) for where, text in sentences() for each in NAMED.findall(text.splitlines()[0])]
    assert len(named) > 60
    assert [(where, " ".join(words)) for where, words in named if not exists(words)] == []


@pytest.mark.parametrize("words", ["config set modem", "site put", "nonsense"])
def test_one_that_does_not_exist_is_seen(words: str) -> None:
    assert not exists(words.split())


def test_who_sets_is_told_to_commit() -> None:
    told = [(where, text) for where, text in sentences() if re.search(r"`holdfast site set [a-z]", text.splitlines()[0])]
    assert len(told) >= 4
    assert [where for where, text in told if "`holdfast site commit`" not in text] == []
