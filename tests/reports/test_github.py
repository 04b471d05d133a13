"""What a pipeline reads of a plan: annotations and outputs of a GitHub step, and GitLab's report."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.reports.formats import report_of
from flowplan.reports.github.commands import annotated
from flowplan.reports.github.plan import LONGEST_OUTPUT, outputs
from flowplan.reports.text.paint import Paint
from tests.conftest import examples
from tests.documents.made import saved
from tests.reports.github_files import parsed

PAINT = Paint(on=False)
PARTS = [
    "::",
    "\n",
    "\r",
    "%0A",
    "%",
    ":",
    ",",
    "=",
    "error",
    "::set-output name=x::y",
    "end_",
    "\u2028",
    "\x1b[1m",
    "##[",
    "é",
]
NASTY = st.lists(st.sampled_from([*PARTS, "::stop-commands::x", "\ud800", "a"]), max_size=8).map("".join)


def said(severity: str, summary: str = "s", hint: str | None = None, file: str = "f.yaml") -> Any:
    source = {"file": file, "line": 3, "column": 7}
    return {"severity": severity, "summary": summary, "detail": None, "hint": hint, "source": source}


def test_an_annotation_stands_at_its_line() -> None:
    assert annotated([said("error", "50% gone", "a,b: c")], "see") == (
        "::error file=f.yaml,line=3,col=7::50%25 gone%0Ahint: a,b: c\n"
    )
    assert annotated([said("note", file="a:b,c%.yaml")], "see") == "::notice file=a%3Ab%2Cc%25.yaml,line=3,col=7::s\n"
    assert annotated([{**said("warning"), "source": None}], "see") == "::warning::s\n"


def test_of_each_kind_there_are_ten_and_the_last_counts_the_rest() -> None:
    few, many = [said("warning")] * 10, [said("error", f"e{n}") for n in range(25)]
    lines = annotated([*few, *many], "see there").splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["::error"] * 9 + ["::error::16"] + ["::warning"] * 10
    assert lines[9] == "::error::16 more errors: see there"


@given(NASTY, NASTY, NASTY)
def test_no_text_ends_its_command_or_begins_another(summary: str, hint: str, file: str) -> None:
    text = annotated([said("error", summary, hint, file)], "see")
    place, data = r"file=[^:,\n\r]*,line=3,col=7", r"[^\n\r]*"
    assert re.fullmatch(rf"::error {place}::{data}\n", text)
    assert text.isprintable() or text[:-1].isprintable()


def test_outputs_say_what_later_steps_need() -> None:
    found = parsed(outputs(saved(), "/w/plan.json"))
    body = saved()
    assert {name: found[name] for name in ("create", "update", "replace", "delete", "forget", "import", "drift")} == {
        **{name: str(body["summary"][name]) for name in ("create", "update", "replace", "delete", "forget", "import")},
        "drift": "1",
    }
    cost = body["cost"]
    assert (found["hourly_cost_before"], found["hourly_cost_after"]) == (cost["current"]["now"], cost["planned"]["now"])
    assert found["max_hourly_cost_after"] == cost["planned"]["worst"]
    assert (found["plan_path"], found["plan_sha256"]) == ("/w/plan.json", body["sha256"])
    assert (found["has_changes"], found["errored"]) == ("true", "false")
    assert found["destroyed"].splitlines() == ["bid.goes", "bid.renewed"]


def test_what_is_unknown_is_empty_and_a_failure_has_no_counts() -> None:
    body = saved()
    body["cost"]["planned"]["now"] = None
    assert parsed(outputs(body, ""))["hourly_cost_after"] == ""
    assert parsed(outputs({"errored": True, "diagnostics": []}, "")) == {"errored": "true"}  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ((None, "32.00"), (None, "46.19"), "costs an unknown amount; at most $46.19 instead of $32.00 (+$1.00)."),
        (("8.00", "32.00"), ("8.00", "46.19"), "costs $8.00 as before; at most $46.19 instead of $32.00 (+$1.00)."),
        ((None, "32.00"), ("0.00", "0.00"), "costs $0.00 instead of an unknown amount."),
        (("8.00", "32.00"), (None, None), "costs an unknown amount instead of $8.00."),
        ((None, "32.00"), (None, None), "costs an unknown amount; at most an unknown amount instead of $32.00."),
        (("8.00", "8.00"), ("9.00", "9.00"), "costs $9.00 instead of $8.00 (+$1.00)."),
    ],
)
def test_what_an_hour_costs_is_not_as_before_where_it_is_unknown(
    before: tuple[str | None, str], after: tuple[str | None, str | None], says: str
) -> None:
    body = saved()
    for name, amounts in (("current", before), ("planned", after)):
        body["cost"][name] |= dict(zip(("now", "worst"), amounts, strict=True))
    for number, name in enumerate(("now", "worst")):
        body["cost"]["delta"][name] = "1.00" if before[number] and after[number] else None
    assert f" An hour now {says}" in report_of("plan", "github")(body, PAINT)


NAMES = list(parsed(outputs(saved(), "")))


@examples(40)
@given(NASTY, NASTY)
def test_no_name_forges_an_output(path: str, name: str) -> None:
    body = saved()
    body["resource_changes"] = body["resource_changes"][:3]
    for entry in body["resource_changes"]:
        entry["address"] = name
    found = parsed(outputs(body, path))
    assert list(found) == NAMES
    assert found["plan_path"] == path


@pytest.mark.parametrize("letter", ["x", "\N{ROCKET}"])
def test_a_long_list_is_cut_between_names(letter: str) -> None:
    body = saved()
    gone = next(one for one in body["resource_changes"] if one["change"]["actions"] == ["delete"])
    body["resource_changes"] = [{**gone, "address": f"bid.{letter * 60}{n:06}"} for n in range(20_000)]
    found = parsed(outputs(body, ""))["destroyed"]
    assert LONGEST_OUTPUT - 500 < len(found.encode("utf-16-le")) < LONGEST_OUTPUT + 100
    *names, last = found.splitlines()
    assert {len(one) for one in names} == {70}
    assert last == f"and {20_000 - len(names):d} more"


def test_gitlab_counts_a_replacement_twice() -> None:
    report = report_of("plan", "gitlab-terraform")
    assert json.loads(report(saved(), PAINT)) == {"create": 4, "update": 1, "delete": 2}
    failed = {"errored": True, "diagnostics": []}
    assert json.loads(report(failed, PAINT)) == failed
