"""What a plan can be asked for, two by two: the command line and the API refuse the same."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest

import flowplan
from flowplan.errors import UsageProblem
from flowplan.operations.opening.combinations import RULES, as_option, hold_together
from tests.conftest import START, Place

PAIRS = [(rule.asked, beside) for rule in RULES for beside in rule.beside]
OPTIONS: dict[str, tuple[str, ...]] = {
    "max_changes": ("3",),
    "what_if": ("1h",),
    "replace": ("bid.train",),
    "allow_volume_destroy": ("data",),
    "out": ("p.json",),
}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "max_changes": {"max_changes": 3},
    "what_if": {"what_if": "1h"},
    "replace": {"replace": ["bid.train"]},
    "allow_volume_destroy": {"allow_volume_destroy": ["data"]},
    "no_refresh": {"refresh": False},
}


@pytest.mark.parametrize(("asked", "beside"), [pair for pair in PAIRS if "saved" not in pair[1]])
def test_both_faces_refuse_the_same(asked: str, beside: str, place: Place, tmp_path: Path) -> None:
    given = [text for name in (asked, beside) for text in (as_option(name), *OPTIONS.get(name, ()))]
    if "keep_volumes" in (asked, beside):
        given.append("--destroy")
    result = place.run("plan", *given)
    assert result.code == 64, result
    assert f"{as_option(asked)} cannot be combined with {as_option(beside)}: " in result.err
    if "out" in (asked, beside):
        return  # a file of the command line's
    arguments: dict[str, Any] = {}
    for name in (asked, beside, *(["destroy"] if "keep_volumes" in (asked, beside) else [])):
        arguments |= ARGUMENTS.get(name, {name: True})
    with pytest.raises(flowplan.UsageProblem, match="cannot be combined with"):
        flowplan.load({"name": "train"}, directory=tmp_path, api_url="sim:", environ=START).plan(**arguments)


def test_what_is_not_given_excludes_nothing() -> None:
    for rule, empty in product(RULES, (None, False, (), "")):
        hold_together({rule.asked: True, "destroy": rule.asked == "keep_volumes", **dict.fromkeys(rule.beside, empty)})


def test_keep_volumes_needs_destroy() -> None:
    with pytest.raises(UsageProblem, match="--keep-volumes needs --destroy") as caught:
        hold_together({"keep_volumes": True}, as_option)
    assert caught.value.hint == "add --destroy, or leave it out"
