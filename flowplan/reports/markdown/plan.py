"""The plan document -> Markdown for a pull request: what a reviewer decides by comes first, and all of it fits into a
comment. Every text from outside is escaped."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import dropwhile
from typing import TYPE_CHECKING
from urllib.parse import quote

from attrs import evolve

from flowplan.names import ranges
from flowplan.patterns import regex
from flowplan.reports.markdown.escaping import code, code_in_tag, fenced, message, prose
from flowplan.reports.markdown.fitting import Piece, fitted
from flowplan.reports.text.actions import head_of, ordered, symbol_of
from flowplan.reports.text.cost import cost_line, costs, remarks, rows_of
from flowplan.reports.text.folding import Fold, folded
from flowplan.reports.text.left_alone import in_all, left_alone
from flowplan.reports.text.notices import grouped, place_of, summary_of
from flowplan.reports.text.paint import PLAIN, Paint
from flowplan.reports.text.plan import block_of, counted, drift, lines_apart, moves, outputs
from flowplan.reports.text.what_if import what_if

if TYPE_CHECKING:
    from flowplan.documents.shapes.plan import Entry, FailedPlan, PlanBody, SealedPlan

MAX_BYTES = 60_000  # GitHub takes 65,536 characters in a comment
_SHORT = 80  # characters of a name in the head
_LONGEST = 1000  # characters of what is said
_NAMES = 20  # of several that are alike
# What is done, the weightiest first: symbols -> head of the list.
_LISTS = {
    ("-",): "Destroy",
    ("-/+", "+/-"): "Replace",
    ("~",): "Change",
    ("<-",): "Import",
    (".",): "Forget",
    ("+",): "Create",
}
_KINDS = {
    "error": ("an error", "{} errors"),
    "remark": ("a remark on the cost", "{} remarks on the cost"),
    "deletion": ("the names of what is destroyed", "the names of what is destroyed"),
    "warning": ("a warning", "{} warnings"),
    "drift": ("what changed outside", "what changed outside"),
    "left_alone": ("what is left alone", "what is left alone"),
    "resource": ("the diff of a resource", "the diffs of {} resources"),
    "more": ("a section", "{} sections"),
    "note": ("a note", "{} notes"),
}
_MARGIN = regex(r"^ {6}( *)(-/\+|\+/-|[-+~](?= ))?", re.MULTILINE)


def comment(document: SealedPlan | FailedPlan, _: Paint, max_bytes: int = MAX_BYTES) -> str:
    """The comment, in at most `max_bytes`. Its first line, which nobody sees, names stack, project and digest."""
    document = lines_apart(document)
    pieces = [*(_plan(document) if "stack" in document else _failed(document))]
    rest = "`flowplan show` with the saved plan has" if "stack" in document else "what the command writes to stderr has"
    return fitted(pieces, max_bytes, lambda missing: _left_out(missing, max_bytes, rest))


def header(document: SealedPlan) -> str:
    """The first line, by which a program finds the comment of a stack, and the digest of what is shown in it."""
    stack, digest = document["stack"], document["sha256"]
    about = {"stack": stack["name"], "project": stack["project"]["id"], "plan": digest}
    words = (f"{key}={quote(value[:_SHORT], safe='').replace('--', '%2D%2D')}" for key, value in about.items())
    return f"<!-- flowplan {' '.join(words)} -->\n"


def _failed(document: FailedPlan) -> Iterator[Piece]:
    count = len(document["diagnostics"])
    yield Piece("<!-- flowplan failed -->\n### flowplan: no plan\n\n")
    yield Piece(f"**Failed, with {count} problem{'' if count == 1 else 's'}.** Nothing was changed.\n\n")
    yield from _said(document, "error")
    yield Piece("\n")
    yield from _section("Warnings", [*_said(document, "warning")])


def _plan(body: SealedPlan) -> Iterator[Piece]:
    changing = ordered(body["resource_changes"])
    stack = body["stack"]
    where = f"{code(stack['project']['name'], _SHORT)}, API {code(stack['api_url'], 200)}"
    if "state" in stack:
        where += f", state {code(stack['state'], 200)}"
    title = f"### flowplan: {code(stack['name'], _SHORT)} in {where}\n\n"
    yield Piece(header(body) + title + _verdict(body, changing) + "\n")
    yield from _costs(body)
    if refusals := [*_said(body, "error")]:
        yield Piece("> [!CAUTION]\n> **Refused**\n>\n")
        yield from (evolve(one, whole=f"> {one.whole}") for one in refusals)
        yield Piece("\n")
    yield from _destroyed(changing)
    yield from _section("Warnings", [*_said(body, "warning")])
    yield from _folded("Changed outside of flowplan", drift(body["resource_drift"], PLAIN), "drift")
    for symbols, head in _LISTS.items():
        listed = [one for one in changing if symbol_of(one) in symbols]
        yield from _section(head, [_resource(one) for one in folded(listed)])
    if "left_alone" in body:
        count = len(body["left_alone"]["resources"])
        yield from _folded(f"Left alone, and paid for ({count})", left_alone(body["left_alone"], PLAIN), "left_alone")
    yield from _folded("Moved", moves(body["resource_changes"], PLAIN))
    yield from _folded("Outputs", outputs(body["outputs"], PLAIN))
    if "what_if" in body:
        yield from _folded("What if", what_if(body["what_if"], PLAIN))
    yield from _section("Notes", [*_said(body, "note")])


def _verdict(body: PlanBody, changing: Sequence[Entry]) -> str:
    """What would be done, and whether it may be."""
    said = f"**{prose(counted(body, changing, PLAIN))}**"
    if body["errored"]:
        said += " This plan is refused, and cannot be applied."
    if body["mode"] == "destroy":
        said = f"To destroy everything: {said}"
    lines = [said]
    left = len(body["selection"]["left_out"]) if "selection" in body else 0
    if left:
        lines.append(f"It covers only what was selected: {left} other change{'' if left == 1 else 's'} left out.")
    return "".join(f"{line}\n" for line in lines)


def _costs(body: PlanBody) -> Iterator[Piece]:
    """The table, and what has to be said beside it."""
    beside = " ".join(" ".join(in_all(body, PLAIN.width)).split())
    cost = body["cost"]
    if cost["current"] == cost["planned"]:
        lines = [line for line in (costs(body, PLAIN), beside) if line]
        yield Piece("".join(f"{prose(' '.join(line.split()))}\n\n" for line in lines))
        return
    head, *rows = rows_of(cost)
    lines = [f"| Cost, storage included | {' | '.join(head[1:])} |", "|---|---:|---:|---:|"]
    lines += [f"| {what} | {before} | {after} | {change and f'**{change}**'} |" for what, before, after, change in rows]
    yield Piece("\n".join(lines) + "\n\n")
    said = [line.strip() for line in (beside, *remarks(body)) if line]
    yield from (Piece(f"- {prose(line)}\n", rank=1, kind="remark") for line in said)
    yield Piece("\n")


def _said(document: SealedPlan | FailedPlan, severity: str) -> Iterator[Piece]:
    """Those of a severity, a line each, or a line for several that say the same."""
    rank = {"error": 0, "warning": 1, "note": 4}[severity]
    listed = "left_alone" in document  # each of them then, and not that there are some
    found = [one for one in document["diagnostics"] if one["severity"] == severity]
    found = [one for one in found if not listed or one["detail"] != "left_alone"]
    changes = document["resource_changes"] if "stack" in document else ()
    for notice in grouped(found, changes):
        said, others = notice.first.said, len(notice.others)
        place = place_of(notice)
        text = message(summary_of(notice, "\N{HORIZONTAL ELLIPSIS}"), _LONGEST) + (f" ({code(place)})" if place else "")
        text += f"<br>hint: {message(said['hint'], _LONGEST)}" if said["hint"] else ""
        text += f"<br>and {others} more of this kind" if others else ""
        yield Piece(f"- {text}\n", rank=rank, kind=severity, count=len(notice.addresses) + others)


def _destroyed(changing: Sequence[Entry]) -> Iterator[Piece]:
    """A warning of what goes, volumes first."""
    gone = [one for one in changing if "delete" in one["change"]["actions"]]
    if not gone:
        return
    volumes = sum(one["type"] == "volume" for one in gone)
    head = f"**This destroys {len(gone)} resource{'' if len(gone) == 1 else 's'}"
    if volumes:
        head += f", and the data on {volumes} volume{'' if volumes == 1 else 's'}"
    names = [_gone(one) for one in gone]
    yield Piece(f"> [!WARNING]\n> {head}**\n")
    yield Piece(f"> {', '.join(names)}\n", kind="deletion")
    yield Piece("\n")


def _gone(entry: Entry) -> str:
    remark = " (replaced)" if "create" in entry["change"]["actions"] else ""
    return f"{code(entry['address'])}{' with its data' if entry['type'] == 'volume' else ''}{remark}"


def _section(head: str, pieces: Sequence[Piece]) -> Iterator[Piece]:
    count = sum(piece.count for piece in pieces if piece.shrinks)
    if count:
        yield Piece(f"#### {head} ({count})\n\n")
        yield from pieces
        yield Piece("\n")


def _resource(fold: Fold) -> Piece:
    """The addresses and what happens to them; folded, the diff."""
    entry, count, says = fold.shown, len(fold.entries), head_of(fold.shown)
    cost, saves = cost_line(entry, fold.forecasts), entry["change"]["actions"] == ["delete"]
    beside = f": {'saves ' if saves else ''}{cost}" if cost else ""
    if count > 1:
        says, beside = f"({count} alike) {says}", f"{beside} (each)" if cost else ""
    whole = (
        f"<details><summary>{_named(fold, code_in_tag)} {says}{beside}</summary>\n\n"
        f"{fenced(_diff(fold), 'diff')}\n\n</details>\n"
    )
    return Piece(whole, f"- {_named(fold, code)} {says}\n", 2, "resource", count)


def _named(fold: Fold, written: Callable[[str], str]) -> str:
    names = ranges(fold.addresses)
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return ", ".join(map(written, names[:_NAMES])) + more


def _diff(fold: Fold) -> str:
    """Its block of the text, with the signs in the first column, where a diff has them."""
    lines = dropwhile(lambda line: not line.startswith(" " * 6), block_of(fold, PLAIN).split("\n"))
    return _MARGIN.sub(lambda found: f"{(found[2] or ' ').replace('~', '!')}{found[1]}", "\n".join(lines))


def _folded(head: str, text: str, kind: str = "more") -> Iterator[Piece]:
    """A part of the text, folded; nothing for none."""
    if text:
        whole = f"<details><summary>{head}</summary>\n\n{fenced(text, 'text')}\n\n</details>\n\n"
        yield Piece(whole, rank=3 if kind == "more" else 1, kind=kind)


def _left_out(missing: Mapping[str, int], limit: int, rest: str) -> str:
    parts = [
        (one if missing[kind] == 1 else many).format(missing[kind])
        for kind, (one, many) in _KINDS.items()
        if kind in missing
    ]
    listed = " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
    return f"\n_Cut at {limit:,} bytes. Left out: {listed}; {rest} all of it._\n"
