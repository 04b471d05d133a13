"""What is said of a result once it is durable."""

from __future__ import annotations

from flowplan.apply.events import Events
from flowplan.apply.workers import Result
from flowplan.model.resources import Volume


def tell(events: Events, result: Result, *, failed: bool) -> None:
    """`failed`: its step is over with the error; else a result with an error is one in doubt."""
    work, step = result.work, result.work.step
    if result.error is None:
        if result.was_gone:
            events.note(f"{step.address} was already gone")
        made = result.binding if result.binding and not result.binding.ended else None
        events.done(step, work.change, made.id if made else None, result.seconds)
        if note := _rounded_up(result):
            events.note(f"{step.address}: {note}")
    elif failed:
        events.failed(step, work.change, result.error)
    else:
        events.note(f"{step.address}: {result.error}; checking whether it happened")


def _rounded_up(result: Result) -> str | None:
    made = result.binding.applied if result.binding and result.work.intent.op == "create" else None
    if not isinstance(made, Volume) or made.capacity_gb is None:
        return None
    return f"asked for {made.size_gb:,} GB; the API made it {made.capacity_gb:,} GB, and you pay for that"
