"""The table of features and the tests' markers say the same: every row that is there is shown by the tests it names, and no marker is unknown to it."""

import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "appliance/FEATURES.md"
TEXT = TABLE.read_text()
ROWS = {row: line for line in TEXT.splitlines() if (found := re.match(r"\| ([A-Z]\d+) \| (?:there|part) \|", line)) and (row := found[1])}
ABSENT = re.findall(r"\b[A-Z]\d+\b", " ".join(line.split("|")[1] for line in TEXT.partition("## Not there")[2].splitlines() if re.match(r"\| [A-Z]\d", line)))
INVENTORY = {f"{letter}{number}" for letter, most in {"E": 15, "K": 7, "T": 9, "A": 13, "N": 11, "Z": 10, "L": 6}.items() for number in range(1, most + 1)}


def marked():
    """Row -> the files with a test that is marked with it."""
    found = defaultdict(set)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for words in re.findall(r"mark\.row\(([^)]*)\)", path.read_text()):
            for row in re.findall(r'"(\w+)"', words):
                found[row].add(path)
    return found


MARKED = marked()


def test_every_row_of_the_inventory_is_there_or_said_not_to_be():
    assert ROWS.keys() | set(ABSENT) == INVENTORY
    assert not ROWS.keys() & set(ABSENT)


def test_every_marker_is_in_the_table():
    assert not {row: [path.name for path in MARKED[row]] for row in MARKED.keys() - ROWS.keys()}


@pytest.mark.parametrize("row", sorted(ROWS))
def test_a_row_is_shown_by_the_tests_it_names(row):
    named = {(TABLE.parent / link).resolve() for link in re.findall(r"\]\(([^)]+)\)", ROWS[row].split(" | ")[-1])}
    assert named, "it names no test"
    assert named <= MARKED[row], f"no test marked {row} in {sorted(path.name for path in named - MARKED[row])}"


def test_every_file_that_is_named_is_there():
    assert not [link for link in re.findall(r"\]\(([^)]+)\)", TEXT) if not (TABLE.parent / link).is_file()]
