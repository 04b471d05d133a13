"""Golden cases: `tests/cases/NAME/` holds the input and the whole expected output.

    flowplan.yaml       what is planned
    before.yaml         applied first, where there is one
    outside.txt         what somebody else does to the cloud then: METHOD /path BODY, one a line; {NAME} stands
                        for the id of that address
    args.txt            further arguments of `flowplan plan`
    plan.txt plan.json  what the plan says, and what refuses it; or problems.txt, when it does not come to a plan

The simulator starts the same each time, so ids and prices are the same; lineage, time and digests are not,
and are masked.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Place
from tests.goldens import CASES, masked, outside


@pytest.mark.parametrize("name", sorted(path.name for path in CASES.iterdir() if path.is_dir()))
def test_case(name: str, place: Place, accepts: Callable[[Path, str], None]) -> None:
    case = CASES / name
    before = case / "before.yaml"
    if before.exists():
        place.write(before.read_text())
        place.ok("apply", "--auto-approve", "--parallelism", "1")  # ids are given out in the order of the calls
    if (case / "outside.txt").exists():
        outside(place, (case / "outside.txt").read_text())
    place.write((case / "flowplan.yaml").read_text())
    arguments = (case / "args.txt").read_text().split() if (case / "args.txt").exists() else []

    text = place.run("plan", *arguments)
    if text.code == 65:
        accepts(case / "problems.txt", text.err)
        return
    refused = f"\n{text.err}\n(exit code {text.code})\n" if text.code else ""
    accepts(case / "plan.txt", text.out + refused)
    body = json.loads(place.run("plan", "--format", "json", *arguments).out)
    accepts(case / "plan.json", json.dumps(masked(body), indent=2) + "\n")
