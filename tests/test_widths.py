"""What flowplan prints fits 80 columns, also into a pipe: the help of every command, and every recorded output."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowplan.cli import main
from flowplan.reports.text.paint import WIDTH, columns, listed
from tests.cli.lines import paths
from tests.conftest import APPLY, Place, bid_id
from tests.texts import task_text

TESTS = Path(__file__).parent
RECORDED = sorted([*TESTS.glob("cases/*/*.txt"), *TESTS.glob("transcripts/*.txt")])

# What is never broken, because it is somebody's, or is copied as it stands.
EXCEPTIONS = {
    "a line of the user's file, and the mark below it": re.compile(r" *\d* \| "),
    "JSON": re.compile(r' *[\[{"]'),
    "a URL": re.compile(r".*https?://\S"),
    "a digest": re.compile(r".*\b[0-9a-f]{64}\b|.*\bSHA256\b"),
}


def printed(path: Path) -> Iterator[str]:
    """The lines that flowplan printed: a transcript also has commands, what they are given, and remarks."""
    for line in path.read_text().splitlines():
        if path.parent.name != "transcripts":
            yield line
        elif not line.startswith(("$ ", "> ", "# ")):
            yield line.removeprefix("! ")


@pytest.mark.parametrize("path", list(paths(main)), ids=" ".join)
def test_help(path: tuple[str, ...], place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    out = place.ok(*path, "--help")
    assert out.startswith("Usage: ")
    assert [line for line in out.splitlines() if len(line) > WIDTH] == []
    broken = [line for line in out.splitlines() if line.endswith("-") or line.count("`") % 2]
    assert broken == []  # an option or a command that is cut in two is copied as one half


def test_recorded_output() -> None:
    long = [(path, line) for path in RECORDED for line in printed(path) if columns(line) > WIDTH]
    unmatched = [(path, line) for path, line in long if not any(one.match(line) for one in EXCEPTIONS.values())]
    assert [f"{path.relative_to(TESTS)}: {line}" for path, line in unmatched] == []


def test_a_list_is_broken_after_its_commas_and_a_long_item_at_its_spaces() -> None:
    assert listed("a, b", "x = ", "    ", WIDTH) == ["x = a, b"]
    first, second = f"[{'a' * 50}", f"{'b' * 30}, {'c' * 10}]"
    assert listed(f"{first}, {second}", "x = ", "    ", WIDTH) == [f"x = {first},", f"    {second}"]
    words = " ".join(["word"] * 20)
    assert listed(f"a, {words}", "", "  ", WIDTH) == ["a,", f"  {words[:78].rpartition(' ')[0]}", f"  {words[75:]}"]
    assert listed("d" * 90, "x = ", "    ", WIDTH) == [f"x = {'d' * 90}"]


def test_what_is_imported(place: Place) -> None:
    address = f"bid.{'a' * 30}"
    place.write(task_text(address.removeprefix("bid.")))
    place.ok(*APPLY)
    id = bid_id(place, address)
    place.ok("state", "rm", address)
    taken = place.ok("import", address, id)
    written = place.ok("import", address, id, "--generate", "a-stack-of-what-is-there.yaml")
    assert " ".join(taken.split()) == f"{address} is now {id}; flowplan plan shows what differs."
    assert [line for line in (taken + written).splitlines() if len(line) > WIDTH] == []


def test_where_nothing_was_made(place: Place) -> None:
    out = place.ok("cost")
    assert " ".join(out.split()).startswith("There is no state here, so flowplan did not look for bids and volumes.")
    assert [line for line in out.splitlines() if len(line) > WIDTH] == []


def test_where_nothing_is_left(place: Place) -> None:
    place.write("version: 2\nvolumes:\n  data: {size: 5, region_id: us-central1-b}\n")
    place.ok(*APPLY)
    place.ok("state", "rm", "volume.data")
    out = place.ok("cost")
    assert "is live, and there is no earlier forecast to compare." in " ".join(out.split())
    assert [line for line in out.splitlines() if len(line) > WIDTH] == []
