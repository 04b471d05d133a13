"""The lines of a run that no golden one has: a step that takes long."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pytest

from flowplan.apply.outcome import Outcome
from flowplan.diagnostics import Position
from flowplan.errors import Refused
from flowplan.model.outputs import Output
from flowplan.model.resources import Resource
from flowplan.planning.actions import Create, Delete, Replace
from flowplan.planning.steps import Step, Way
from flowplan.reports.outlet import Outlet
from flowplan.reports.text.board import BoardLines
from flowplan.reports.text.paint import Paint
from flowplan.reports.text.progress import ProgressLines
from tests.builders import TRAIN, bid, plan_to, state, volume
from tests.conftest import Place

_FAILED = r"^error: bid\.[^\n]*\n(?:[^\n]+\n)*?  at flowplan.yaml:(\d+):\d+\n  \1 \| (.*)$"


def outlet(out: list[str], said: list[str]) -> Outlet:
    return Outlet(out.append, said.append, Paint(on=False), Paint(on=False), str, lambda lines: None)


def test_a_step_that_takes_long_is_reported_with_its_time() -> None:
    out: list[str] = []
    said: list[str] = []
    lines = ProgressLines(outlet(out, said))
    made, gone = Create(TRAIN, after=bid()), Delete(TRAIN, before=bid(), id="bid_1")
    lines.started(Step("up", TRAIN), made)
    lines.progress(Step("up", TRAIN), made, 10.04)
    lines.done(Step("up", TRAIN), made, "bid_1", 13.4)
    lines.progress(Step("down", TRAIN), gone, 20.0)
    assert said == [
        "bid.train: creating...",
        "bid.train: still creating... (10 s)",
        "bid.train: created after 13 s (bid_1)",
        "bid.train: still destroying... (20 s)",
    ]
    assert out == []


@pytest.mark.parametrize(
    ("before", "step", "costs"),
    [
        (bid(limit="17.92", quantity=2), "down", "; until it has ended it costs at most $35.84 an hour"),
        (bid(unreported=("limit_price",)), "down", "; until it has ended it costs an unknown amount an hour"),
        (bid(paused=True), "down", ""),
        (bid(), "up", ""),
        (volume(), "down", ""),
    ],
    ids=["a bid", "with an unknown limit", "that is paused", "that is changed", "a volume"],
)
def test_what_is_slow_to_end_is_told_with_what_it_costs(before: Resource, step: Way, costs: str) -> None:
    """The API may answer a cancellation, and go on running the bid for half an hour."""
    said: list[str] = []
    lines, change = ProgressLines(outlet([], said)), Replace(TRAIN, before=before, after=before, id="bid_1")
    for seconds in (59.4, 60.0):
        lines.progress(Step(step, TRAIN), change, seconds)
    first, later = (" ".join(one.split()) for one in said)
    assert (first[-10:], later.partition(" s)")[2]) == ("... (59 s)", costs)


def test_it_is_told_on_a_terminal_too_until_it_has_ended() -> None:
    drawn: list[Callable[[int, int], Sequence[str]] | None] = []
    lines, step = BoardLines(outlet([], [])._replace(below=drawn.append)), Step("down", TRAIN)
    change = Delete(TRAIN, before=bid(limit="17.92", quantity=2), id="bid_1")
    lines.started(step, change)
    [draw] = drawn
    assert draw is not None
    told = []
    for seconds in (59.4, 60.0):
        lines.progress(step, change, seconds)
        told.append(draw(80, 24)[0].partition("; ")[2])
    assert told == ["", "it costs at most $35.84 an hour"]
    lines.done(step, change, None, 61.0)
    lines.started(step, change)
    assert "costs" not in draw(80, 24)[0]


def test_a_step_that_fails_is_shown_with_the_line_that_it_is_about() -> None:
    said: list[str] = []
    lines = ProgressLines(outlet([], said))
    error = Refused("the API refused it (422)", hint="raise the limit")
    error.excerpt = "  train: {limit: 1}"
    made = Create(TRAIN, after=bid(), position=Position("flowplan.yaml", 7, 3))
    lines.failed(Step("up", TRAIN), made, error)
    assert said[0].splitlines() == [
        "error: bid.train: the API refused it (422)",
        "  at flowplan.yaml:7:3",
        "  7 |   train: {limit: 1}",
        "    |   ^",
        "  hint: raise the limit",
    ]


def test_of_steps_that_fail_alike_the_first_alone_has_the_hint() -> None:
    said: list[str] = []
    lines = ProgressLines(outlet([], said))
    for hint in ("renew the key", "renew the key", "raise the limit", None):
        lines.failed(Step("up", TRAIN), Create(TRAIN, after=bid()), Refused("the API refused it", hint=hint))
    refused = "error: bid.train: the API refused it"
    hinted = [f"{refused}\n  hint: renew the key", refused, f"{refused}\n  hint: raise the limit", refused]
    assert [one.strip() for one in said] == hinted


def test_the_next_round_of_a_watch_gives_the_hint_again() -> None:
    said: list[str] = []
    lines = ProgressLines(outlet([], said))
    change = Create(TRAIN, after=bid())
    for _ in range(2):
        lines.failed(Step("up", TRAIN), change, Refused("the API refused it", hint="renew the key"))
        lines.summary(plan_to(change), Outcome(state()))
    assert [one.count("hint: renew the key") for one in said if "refused" in one] == [1, 1]


def test_the_line_comes_from_the_configuration_of_the_run(example: Place) -> None:
    with example.simulator() as simulator:
        simulator.faults.add("POST /v2/spot/bids", "status", status=400, body='{"detail": "no"}')
    done = example.run("apply", "--auto-approve")
    assert done.code == 1
    place = re.search(_FAILED, done.err, re.MULTILINE)
    lines = (example.path / "flowplan.yaml").read_text().splitlines()
    assert place and place[2] == lines[int(place[1]) - 1]


def test_in_a_later_round_of_a_watch_an_output_is_said_only_where_it_is_another_one() -> None:
    out: list[str] = []
    lines, plan = ProgressLines(outlet(out, [])), plan_to()
    for id in ("bid_1", "bid_1", "bid_2"):
        values = {"name": Output("train"), "id": Output(id)}
        lines.summary(plan, Outcome(state(), outputs=values))
    first, second = ("\n".join(out).split("Outputs:"))[1:]
    assert first.split() == ["name", "=", '"train"', "id", "=", '"bid_1"']
    assert second.split() == ["id", "=", '"bid_2"']
