"""What is said of results, and of steps without a call, once they are durable."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import field

from flowplan.apply.events import Events
from flowplan.apply.results import Results
from flowplan.apply.without_call import Uncalled
from flowplan.apply.workers import Result
from flowplan.classes import define
from flowplan.model.resources import Volume


@define
class Telling:
    """`uncalled`: the steps without a call that are done, and not durable yet. `untold`: creates that came back when
    nothing was recorded any more: the error that ends the run says what was made."""

    _events: Events
    _results: Results
    uncalled: list[Uncalled] = field(factory=list, init=False)
    untold: list[Result] = field(factory=list, init=False)

    def tell(self, back: Sequence[Result], *, recorded: bool) -> None:
        """Tell of `back` and `uncalled`. `recorded`: they are durable; else nothing is any more."""
        for result in back:
            if result.unproved:
                continue
            if not recorded and result.binding is not None and result.work.intent.op == "create":
                self.untold.append(result)
                continue
            step = result.work.step
            also = self._results.along.pop(step, [])
            if step.way != "up":  # in the reverse of the order in which it was made
                self._tell_uncalled(also, recorded)
            self._tell_one(result)
            if step.way == "up":
                self._tell_uncalled(also, recorded)
        self._tell_uncalled(self.uncalled, recorded)
        self.uncalled.clear()

    def _tell_uncalled(self, done: Iterable[Uncalled], recorded: bool) -> None:
        for one in done:
            if recorded or one.step.way != "up":
                self._events.done(one.step, one.change, one.id, 0.0)

    def _tell_one(self, result: Result) -> None:
        events, work, step = self._events, result.work, result.work.step
        if result.error is None:
            if result.was_gone:
                events.note(f"{step.address} was already gone")
            made = result.binding if result.binding and not result.binding.ended else None
            events.done(step, work.change, made.id if made else None, result.seconds)
            if note := _rounded_up(result):
                events.note(f"{step.address}: {note}")
        elif step in self._results.failed:
            events.failed(step, work.change, result.error)
        else:
            events.note(f"{step.address}: {result.error}; checking whether it happened")


def _rounded_up(result: Result) -> str | None:
    made = result.binding.applied if result.binding and result.work.intent.op == "create" else None
    if not isinstance(made, Volume) or made.capacity_gb is None:
        return None
    return f"asked for {made.size_gb:,} GB; the API made it {made.capacity_gb:,} GB, and you pay for that"
