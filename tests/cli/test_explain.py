"""flowplan explain, as a user types it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from flowplan.diagnostics import CODE_OF, CODES
from flowplan.documents.remedies import EXIT_CODES, REMEDIES
from tests.conftest import Place

_COMMANDS = ("", "plan", "apply", "destroy", "import", "recover", "state restore")
README = Path(__file__).parents[2] / "README.md"


def test_every_code_has_a_remedy_that_is_a_sentence() -> None:
    assert list(REMEDIES) == list(CODES)
    texts = [*REMEDIES.values(), *(text for pair in EXIT_CODES.values() for text in pair)]
    assert [text for text in texts if not re.fullmatch(r"(?s)[A-Z`].*[.]", text)] == []


def test_no_remedy_sends_to_a_file_that_an_installed_flowplan_lacks() -> None:
    texts = [*REMEDIES.values(), *(text for pair in EXIT_CODES.values() for text in pair)]
    assert [text for text in texts if "docs/" in text] == []


def test_no_refusal_promises_more_than_it_keeps() -> None:
    """Not all that exits with 3 has changed nothing: a run may have waited, or done all but end what is protected. And
    problems (65) stop no lifetime's end."""
    for code in (3, 65):
        said = EXIT_CODES[code][1]
        assert "lifetime" in said and not re.search(r"nothing was changed[.;]", said, re.IGNORECASE)


def test_the_exit_codes_are_those_of_the_table() -> None:
    rows = re.findall(r"^\| ([\d, ]+) \|", README.read_text(), re.MULTILINE)
    assert [int(number) for row in rows for number in row.split(",")] == list(EXIT_CODES)


def test_options_that_remedies_name_are_there(place: Place) -> None:
    offered = "".join(place.ok(*one.split(), "--help") for one in _COMMANDS)
    named = {option for text in REMEDIES.values() for option in re.findall(r"--[a-z-]+", text)}
    assert {option for option in named if not re.search(rf"{option}\b", offered)} == set()


@pytest.mark.parametrize("name", ["stale-plan", "stale_plan", "Stale-Plan"])
def test_a_code_is_explained(place: Place, name: str) -> None:
    assert place.ok("explain", name) == (
        "stale-plan (in JSON: stale_plan)\n"
        "  A saved plan is not what would be planned now.\n"
        "  What to do: Run `flowplan plan --out FILE` again, and look at what is\n"
        "    different now.\n"
    )


def test_every_guard_word_is_explained(place: Place) -> None:
    for word, code in CODE_OF.items():
        assert place.ok("explain", word).startswith(f"{code} (in JSON: {word})\n")


def test_an_exit_code_is_explained(place: Place) -> None:
    assert place.ok("explain", "4").startswith("exit code 4\n  Locked by somebody else.\n")
    (one,) = json.loads(place.ok("explain", "4", "--format", "json"))["explanations"]
    assert (one["name"], one["kind"], one["word"]) == ("4", "exit_code", None)


def test_all_are_listed_in_lines_that_fit(place: Place) -> None:
    out = place.ok("explain")
    assert re.findall(r"^  (\S+)  +[A-Z]", out, re.MULTILINE) == [*CODES, *map(str, EXIT_CODES)]
    assert [line for line in out.splitlines() if len(line) > 80] == []
    body = json.loads(place.ok("explain", "--format", "json"))
    assert [one["name"] for one in body["explanations"]] == [*CODES, *map(str, EXIT_CODES)]


@pytest.mark.parametrize(("name", "says"), [("stale-plam", "did you mean stale-plan?"), ("9", "there are: 0, 1, 2,")])
def test_an_unknown_code_is_wrong_usage(place: Place, name: str, says: str) -> None:
    found = place.run("explain", name)
    assert (found.code, found.out) == (64, "")
    assert says in found.err
