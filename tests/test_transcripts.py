"""Transcripts: `tests/transcripts/NAME.txt` is a story of commands with everything they print, to the letter.

    $ flowplan ARGUMENTS              both streams; lines on stderr begin with `! `, a code that is not 0 ends it
    $ flowplan json ARGUMENTS         the same, of a command that prints JSON: indented, and masked
    $ write NAME                      the lines that follow, which begin with `> `, become that file
    $ edit NAME OLD NEW               in that file
    $ call METHOD /path BODY          somebody else's call to the cloud; {ADDRESS} stands for the id of that address
    # ...                             a remark

`pytest --accept` rewrites what is printed. What differs between two runs is masked: times of this machine, lineages,
digests of them, seconds that a call took.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Place
from tests.goldens import masked, outside

TRANSCRIPTS = Path(__file__).parent / "transcripts"
_VARYING = (
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "LINEAGE"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "SHA256"),
    (re.compile(r"\b20(?!26-11-02)\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "NOW"),
    (re.compile(r"\bafter \d+(\.\d+)?s\b"), "after Ns"),
    (re.compile(r'("elapsed_seconds": )[\d.]+'), r"\1N"),
    (re.compile(r'("(?:since_boot|wall)": ?)[\d.]+'), r"\g<1>0.5"),
)


def plain(text: str) -> str:
    for pattern, word in _VARYING:
        text = pattern.sub(word, text)
    return text


def steps(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each command or remark of a transcript with the lines it is given (`> `)."""
    lines = text.splitlines()
    for n, line in enumerate(lines):
        if line.startswith(("$ ", "# ")):
            given = []
            for following in lines[n + 1 :]:
                if not following.startswith("> "):
                    break
                given.append(following[2:])
            yield line, given


def flowplan(place: Place, arguments: list[str]) -> Iterator[str]:
    as_json = arguments[0] == "json"
    done = place.run(*arguments[as_json:])
    out = done.out.splitlines()
    if as_json and done.out:
        try:
            documents = [json.loads(done.out)]
        except ValueError:
            documents = [json.loads(line) for line in out]
        out = [line for one in documents for line in json.dumps(masked(one), indent=1, ensure_ascii=False).splitlines()]
    yield from map(plain, out)
    said = (line for line in done.err.splitlines() if not line.startswith("asking for the prices"))  # if it is slow
    yield from (plain(f"! {line}") for line in said)
    if done.code:
        yield f"(exit code {done.code})"


def told(place: Place, line: str, given: list[str]) -> Iterator[str]:
    """What the command of `line` prints."""
    name, *arguments = shlex.split(line[2:])
    if name == "flowplan":
        yield from flowplan(place, arguments)
    elif name == "write":
        place.write("\n".join(given) + "\n", arguments[0])
    elif name == "edit":
        place.edit(arguments[1], arguments[2], arguments[0])
    elif name == "call":
        outside(place, line.removeprefix("$ call "))
    else:
        raise AssertionError(f"no such command in a transcript: {line}")


@pytest.mark.parametrize("name", sorted(path.stem for path in TRANSCRIPTS.glob("*.txt")))
def test_transcript(name: str, place: Place, accepts: Callable[[Path, str], None]) -> None:
    path = TRANSCRIPTS / f"{name}.txt"
    found: list[str] = []
    for line, given in steps(path.read_text()):
        found += ([""] if found and found[-1][:1] not in ("#", "") else []) + [line, *(f"> {one}" for one in given)]
        if line.startswith("$ "):
            found += told(place, line, given)
    accepts(path, "\n".join(found) + "\n")
