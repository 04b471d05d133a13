"""Tasks that end: bids that have run and are not placed again. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from flowplan.diagnostics import Diagnostic
from flowplan.model.live import Live
from flowplan.planning.actions import Change, Completed
from flowplan.planning.lookup import Desired
from flowplan.state.state import DONE, TERMINATED, Binding


def completed(binding: Binding, desired: Desired, live: Live) -> Completed | None:
    """That the bid of `binding`, which is not live, has run and is not placed again; None: it is to be placed again.

    A bid is done if the state says so, or if it is listed as terminated and is a job (`Desired.is_job`). That flowplan
    cancelled it itself, and was killed before it could place it again, is no end of a job.
    """
    seen = live.bids.get(binding.id)
    ended = binding.ended
    if not ended and seen is not None and desired.is_job(binding.address):
        ended = TERMINATED
    if binding.address.kind != "bid" or ended not in DONE:
        return None
    return Completed(
        binding.address,
        binding.applied,
        ended,
        id=binding.id,
        status=seen.status if seen is not None else None,
        generation=binding.generation,
        reason="completed",
        note=f"{binding.id} {DONE[ended]}",
        needs=binding.needs,
    )


def notes(changes: Iterable[Change]) -> list[Diagnostic]:
    """A note for each task that is done, with what runs it again."""
    return [
        Diagnostic(
            "done",
            f"{one.address} is done and stays so: {one.id} {DONE[one.ended]}",
            f"to run it again: flowplan apply --replace {one.address}",
            severity="note",
            about=str(one.address),
        )
        for one in changes
        if isinstance(one, Completed)
    ]
