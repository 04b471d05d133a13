"""What a round of the watch has found that is new -> events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from flowplan.classes import frozen
from flowplan.documents.about import moment
from flowplan.documents.amounts import money
from flowplan.documents.diagnostics import of
from flowplan.errors import FlowplanError, reasons
from flowplan.model.address import Address
from flowplan.planning.watch_findings import Finding, Kind


@frozen
class Told:
    """One round. `at`: by the server's clock, None: it did not answer. `findings`: all of it; `acted`: the addresses of
    which something is done; `error`: why the round did not do, or not look at, all of it; `differs`: something is not
    as it is written, and stays so until a person decides.

    What of it is new: `began`, the findings that are other than at the round before; `over`, the addresses about which
    there is nothing to say any more; `heard`, the findings that set off hooks now; `is_new_error`; `recovered`: the
    round before has failed, and this has not. `pause`: seconds until the next round; None: there is none."""

    at: datetime | None
    findings: tuple[Finding, ...]
    acted: tuple[Address, ...]
    error: FlowplanError | None
    differs: bool
    began: tuple[Finding, ...] = ()
    over: tuple[Address, ...] = ()
    heard: tuple[Finding, ...] = ()
    is_new_error: bool = False
    recovered: bool = False
    pause: float | None = None

    @property
    def counts(self) -> dict[Kind, int]:
        """How many findings there are of each kind, in the order of their first."""
        counts: dict[Kind, int] = {}
        for one in self.findings:
            counts[one.kind] = counts.get(one.kind, 0) + 1
        return counts


def events(told: Told) -> Iterator[tuple[str, str | None, Mapping[str, Any]]]:
    """The events of a round: the type of each, its address (None: the round), and what else it has. Prices and limits
    are in dollars per instance-hour."""
    for one in told.began:
        yield "watch_finding", str(one.address), {"over": False, **_finding(one, told)}
    for address in told.over:
        yield "watch_finding", str(address), {"over": True}
    error = told.error
    for why in reasons(error) if error is not None and told.is_new_error else ():
        yield "diagnostic", None, dict(of(why))
    yield (
        "watch_round",
        None,
        {
            "at": moment(told.at),
            "findings": dict(told.counts),
            "acted": [str(address) for address in told.acted],
            "differs": told.differs,
            "failed": error is not None,
            "next_in_seconds": None if told.pause is None else round(told.pause, 1),
        },
    )


def _finding(one: Finding, told: Told) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "said": one.said,
        "act": one.act,
        "done": one.act is not None and one.address in told.acted,
        "asks": one.asks,
        "why_not": one.why_not or None,
        "id": one.id,
        "status": one.status,
        "price": money(one.price),
        "to_win": money(one.to_win),
        "limit_price": money(one.limit),
        "new_limit_price": money(one.new_limit),
    }
