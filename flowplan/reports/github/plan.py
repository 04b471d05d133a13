"""The plan document -> annotations of a GitHub runner, and what a step says to those after it ($GITHUB_OUTPUT)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from flowplan.documents.amounts import an_amount, price, signed
from flowplan.documents.outputs import saved_besides
from flowplan.printable import shown
from flowplan.reports.github.commands import annotated, command
from flowplan.reports.text.actions import ordered
from flowplan.reports.text.paint import LONGEST_LINE, Paint
from flowplan.reports.text.plan import counted, lines_apart

if TYPE_CHECKING:
    from flowplan.documents.shapes.plan import FailedPlan, SealedPlan

_REST = "the summary of the job and `flowplan show` list all"
LONGEST_OUTPUT = 800_000  # bytes of UTF-16 of the list of what is destroyed: GitHub takes 1 MB for all of a job


def lines(document: SealedPlan | FailedPlan, _: Paint) -> str:
    """What is said of the plan, and what it would do and cost."""
    document = lines_apart(document)
    said = annotated(document["diagnostics"], _REST)
    return said + _verdict(document) if "stack" in document else said


def _verdict(body: SealedPlan) -> str:
    cost = body["cost"]
    text = counted(body, ordered(body["resource_changes"]), Paint(on=False))
    before, after = cost["current"], cost["planned"]
    if before["now"] != after["now"]:
        text += f" An hour now costs {_instead(before['now'], after['now'], cost['delta']['now'])}."
    elif before["worst"] != after["worst"]:  # as by another limit: the price of now stays
        now = "an unknown amount" if after["now"] is None else f"{price(after['now'])} as before"
        text += (
            f" An hour now costs {now}; at most {_instead(before['worst'], after['worst'], cost['delta']['worst'])}."
        )
    return command("notice", text, {"title": f"flowplan: {body['stack']['name']}"})


def _instead(before: str | None, after: str | None, delta: str | None) -> str:
    """What something costs, and what it cost before."""
    more = "" if delta is None else f" ({signed(delta)})"
    return f"{an_amount(after)} instead of {an_amount(before)}{more}"


def outputs(document: SealedPlan | FailedPlan, plan_path: str) -> str:
    """What a step says to those after it, as $GITHUB_OUTPUT takes it. `plan_path`: where the plan was saved, or ""."""
    values = dict(_outputs(document, plan_path)) if "stack" in document else {}
    return "".join(_assigned(name, value) for name, value in {"errored": _word(document["errored"]), **values}.items())


def _outputs(body: SealedPlan, plan_path: str) -> Iterator[tuple[str, str]]:
    for action, count in body["summary"].items():
        if action not in ("no-op", "read"):
            yield action, str(count)
    changing = ordered(body["resource_changes"])
    yield "drift", str(len(body["resource_drift"]))
    saved = saved_besides(body["outputs"], body["diagnostics"])
    moved = any("previous_address" in one for one in body["resource_changes"])
    recorded = body["mode"] == "refresh-only" and bool(body["resource_drift"])
    yield "has_changes", _word(bool(changing or saved or moved or recorded))
    for name, side in (("before", body["cost"]["current"]), ("after", body["cost"]["planned"])):
        yield f"hourly_cost_{name}", side["now"] or ""
        yield f"max_hourly_cost_{name}", side["worst"] or ""
    yield "plan_path", plan_path
    yield "plan_sha256", body["sha256"]
    yield "destroyed", _listed([one["address"] for one in changing if "delete" in one["change"]["actions"]])


def _listed(names: Sequence[str]) -> str:
    """A name a line, as many as there is room for."""
    lines, room = [], LONGEST_OUTPUT
    for name in names:
        lines.append(shown(name, LONGEST_LINE))
        room -= len(f"{lines[-1]}\n".encode("utf-16-le", "surrogatepass"))
        if room < 0:
            return "\n".join([*lines[:-1], f"and {len(names) - len(lines) + 1} more"])
    return "\n".join(lines)


def _word(value: bool) -> str:
    return str(value).lower()


def _assigned(name: str, value: str) -> str:
    """An output of any text. What ends it depends on all of the text, so that no text can contain it."""
    end = f"end_{hashlib.sha256(value.encode('utf-8', 'surrogatepass')).hexdigest()}"
    return f"{name}<<{end}\n{value}\n{end}\n"
