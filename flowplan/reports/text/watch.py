"""A round of the watch -> text: a line for each thing that is new, and nothing where nothing is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from flowplan.documents.about import moment
from flowplan.documents.watched import Told
from flowplan.errors import FlowplanError, reasons
from flowplan.names import Said, together
from flowplan.planning.watch_findings import Act, Finding, Kind
from flowplan.pricing.units import usd
from flowplan.printable import shown
from flowplan.reports.text.paint import Paint, cut, wrapped

_REASONS = 5  # of an error that are told
_WHICH = "it"  # a bid, where several are spoken of
_DONE: Mapping[Act, str] = MappingProxyType(
    {
        "cancel": "cancelled",
        "place": "placed again",
        "raise": "the limit price is raised",
        "lower": "the limit price is lowered",
        "move": "placed elsewhere",
    }
)
_DID: Mapping[Act, str] = MappingProxyType(
    {
        "cancel": "cancelled",
        "place": "placed again",
        "raise": "with a raised limit",
        "lower": "with a lowered limit",
        "move": "placed elsewhere",
    }
)
_KINDS: Mapping[Kind, str] = MappingProxyType(
    {
        "runs": "run",
        "waits": "wait",
        "done": "done",
        "preempted": "preempted",
        "outbid": "outbid",
        "raised": "raised",
        "moves": "to move",
        "ended": "ended",
        "lifetime_over": "past their lifetime",
        "lifetime_unknown": "may be past their lifetime",
        "drift": "changed outside",
        "unapplied": "not applied",
    }
)


def lines(told: Told, paint: Paint, now: str) -> list[str]:
    """What is new, each thing with the time; `now`: where the server did not tell it."""
    at = moment(told.at) or now
    found = [*_by_what(((str(one.address), one.id, _said(one, told)) for one in told.began), paint)]
    over = "as written again, or not in the stack any more"
    found += _by_what(((str(address), None, over) for address in told.over), paint)
    if told.is_new_error and told.error is not None:
        found += _failed(told.error)
    if told.recovered:
        found.append("the watch works again")
    return [line for one in found for line in wrapped(f"{at}  {paint.typed(one)}", "", "  ", paint.width)]


def _by_what(found: Iterable[tuple[str, str | None, str]], paint: Paint) -> Iterator[str]:
    """What is said of each address, whose live object has the id; once of several of which the same is said."""

    def sentence(address: str, id: str | None, said: str) -> Said:
        of_many = said if id is None else said.replace(shown(id), _WHICH)
        return Said(shown(address), f"{shown(address)}: {said}", of_many)

    return together((sentence(*one) for one in found), paint.dots, each=paint.verbose)


def _said(one: Finding, told: Told) -> str:
    said = shown(one.said, 400)
    if one.act is not None:
        limit = "" if one.new_limit is None else f", limit {usd(one.new_limit)} per instance-hour"
        return f"{said}: {_DONE[one.act]}{limit}" if one.address in told.acted else f"{said}; not done yet"
    if one.why_not and one.why_not not in one.said:
        said += f"; nothing is done: {shown(one.why_not, 200)}"
    return f"{said}; run `flowplan plan` and decide" if one.asks else said


def _failed(error: FlowplanError) -> Iterator[str]:
    """Each reason, the first few of many."""
    every = reasons(error)
    for one in every[:_REASONS]:
        place = "" if one.position is None else f"{shown(str(one.position))}: "
        hint = f" ({shown(one.hint, 300)})" if one.hint else ""
        yield f"error: {place}{shown(one.summary, 600)}{hint}"
    if more := every[_REASONS:]:
        yield f"error: {len(more)} more; `flowplan plan` shows all"


def summary(told: Told) -> str:
    """What there is, in a few words: "3 run, 1 outbid"."""
    if told.error is not None and not told.findings:
        return "the last look failed"
    words = [_DID[one.act] if one.act and one.address in told.acted else _KINDS[one.kind] for one in told.findings]
    return ", ".join(f"{count:,} {word}" for word, count in Counter(words).items()) or "nothing is applied yet"


def counting_down(told: Told, left: Callable[[], float]) -> Callable[[int, int], Sequence[str]]:
    """The line below all else, by how many seconds are `left` until the next look."""

    def line(columns: int, _: int) -> list[str]:
        minutes, seconds = divmod(max(round(left()), 0), 60)
        when = f"next look in {minutes}:{seconds:02}" if minutes or seconds else "looking"
        return [cut(f"{when}; {summary(told)}", columns)]

    return line
