"""The plan document -> a page for a browser: complete in itself, nothing is fetched. What decides comes first. Without
scripts all of it can be read; with them, found."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from flowplan.classes import frozen
from flowplan.documents.amounts import price, signed
from flowplan.documents.totals import added_and_destroyed
from flowplan.pricing.units import span
from flowplan.reports.html.changes import groups_of
from flowplan.reports.html.costs import bands_of, totals_of
from flowplan.reports.html.filling import filled, framed, part
from flowplan.reports.html.notices import notes_of
from flowplan.reports.html.pictures import course_pictures, graph_picture
from flowplan.reports.text.actions import symbol_of
from flowplan.reports.text.left_alone import in_all, left_alone
from flowplan.reports.text.paint import PLAIN, Paint
from flowplan.reports.text.plan import drift, lines_apart, moves, outputs, summary
from flowplan.reports.text.what_if import what_if

if TYPE_CHECKING:
    from flowplan.documents.shapes.plan import Entry, FailedPlan, PlanBody, PlanDocument, SealedPlan


@frozen
class Verdict:
    """Whether it may be applied. `tone`: the name of a style."""

    tone: str
    head: str
    text: str


@frozen
class Tile:
    """A figure that decides; `beside`: what it was, or what it adds."""

    name: str
    figure: str
    beside: str
    tone: str


def page(document: PlanDocument | SealedPlan | FailedPlan, _: Paint) -> str:
    """The whole page, ending in a newline: of a plan, or of one that did not come about."""
    document = lines_apart(document)
    if "stack" not in document:
        failed = filled("failed.html.j2", plan=document, said=notes_of(document["diagnostics"], []))
        return framed("flowplan: no plan", failed)
    stack = document["stack"]
    changes = document["resource_changes"]
    changing = [one for one in changes if symbol_of(one)]
    said = document["diagnostics"]
    if "left_alone" in document:
        said = [one for one in said if one["detail"] != "left_alone"]  # listed by itself
    body = filled(
        "plan.html.j2",
        plan=document,
        stack=stack,
        digest=document.get("sha256", ""),
        verdict=_verdict(document, changing),
        counts=_counts(document),
        costs=_costs(document),
        destroyed=_destroyed(changing),
        said=notes_of(said, changing),
        groups=groups_of(changes),
        count=len(changing),
        drift=_below_head(drift(document["resource_drift"], PLAIN)),
        moves=moves(changes, PLAIN),
        alone=left_alone(document["left_alone"], PLAIN) if "left_alone" in document else "",
        in_all=" ".join(line.strip() for line in in_all(document, PLAIN.width)),
        outputs=_below_head(outputs(document["outputs"], PLAIN)),
        totals=totals_of(document),
        bands=bands_of(changes),
        courses=course_pictures(document),
        graph=graph_picture(changes),
        simulated=what_if(document["what_if"], PLAIN) if "what_if" in document else "",
    )
    return framed(f"flowplan: {stack['name']}", body, part("page.js"))


def _below_head(text: str) -> str:
    """A part of the text without its first line, which the page has as a heading."""
    return text.partition("\n")[2]


def _verdict(body: PlanBody, changing: Sequence[Entry]) -> Verdict:
    head = summary(body, changing, PLAIN).splitlines()[-1]
    if body["errored"]:
        refusing = sum(one["severity"] == "error" for one in body["diagnostics"])
        who = "A guard refuses" if refusing == 1 else f"{refusing} guards refuse"
        return Verdict("refused", "Refused", f"{head} {who} this plan, so flowplan apply changes nothing.")
    if body["applyable"]:
        return Verdict("ready", "Can be applied", f"{head}{_left_out(body)}")
    if changing and body["mode"] != "refresh-only":
        return Verdict(
            "look", "Only to look at", f"{head} It was made without asking the cloud, so it cannot be applied."
        )
    return Verdict("none", "Nothing to do", f"{head}{_left_out(body)}")


def _left_out(body: PlanBody) -> str:
    left = len(body["selection"]["left_out"]) if "selection" in body else 0
    if not left:
        return ""
    return f" It covers only what was selected: {left} other change{' is' if left == 1 else 's are'} left out."


def _counts(body: PlanBody) -> list[Tile]:
    counts, (add, gone) = body["summary"], added_and_destroyed(body)
    made = [
        Tile("to add", f"{add:,}", "", "create" if add else ""),
        Tile("to change", f"{counts['update']:,}", "", "update" if counts["update"] else ""),
        Tile("to destroy", f"{gone:,}", "", "delete" if gone else ""),
    ]
    others = [
        Tile(f"to {action}", f"{count:,}", "", "import")
        for action, count in (("import", counts["import"]), ("forget", counts["forget"]))
        if count
    ]
    return [*made, *others]


def _costs(body: PlanBody) -> list[Tile]:
    cost = body["cost"]
    planned, delta, ahead = cost["planned"], cost["delta"], cost["horizon"]
    made = [
        Tile("an hour now", price(planned["now"]), _change(delta["now"]), ""),
        Tile("an hour at most", price(planned["worst"]), _change(delta["worst"]), ""),
    ]
    if ahead is not None:
        expected = price(ahead["planned"]["expected"])
        made.append(Tile(f"{span(ahead['hours'])}, expected", expected, _change(ahead["delta"]["expected"]), ""))
    return made


def _change(delta: str | None) -> str:
    return "" if delta is None else signed(delta) if Decimal(delta) else "unchanged"


def _destroyed(changing: Sequence[Entry]) -> list[tuple[str, str]]:
    """What goes, and what goes with it; data first."""
    gone = [one for one in changing if "delete" in one["change"]["actions"]]
    gone.sort(key=lambda one: (one["type"] != "volume", one["address"]))
    return [(one["address"], _with_it(one)) for one in gone]


def _with_it(entry: Entry) -> str:
    replaced = " (replaced)" if "create" in entry["change"]["actions"] else ""
    return f"{' and its data' if entry['type'] == 'volume' else ''}{replaced}"
