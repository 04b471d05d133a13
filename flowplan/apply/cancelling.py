"""Cancel bids for which there is no plan, by the rule of a run: what is slow to end keeps no other running."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowplan.apply.events import Silent
from flowplan.apply.removals import Removals
from flowplan.apply.schedule import Schedule
from flowplan.apply.workers import Announcement, Result, Workers
from flowplan.apply.works import Answer, Work
from flowplan.errors import CloudError
from flowplan.model.address import Address
from flowplan.model.live import LiveBid
from flowplan.planning.actions import Delete
from flowplan.planning.steps import Order, Step
from flowplan.state.records import Intent


class Cancelling:
    """The cancellations of `bids`, each announced by the intent beside it, `parallelism` at once."""

    def __init__(self, bids: Sequence[tuple[LiveBid, Intent]], removals: Removals, parallelism: int) -> None:
        self._removals, self._clock = removals, removals.patience.clock
        works = (self._work(bid, intent) for bid, intent in bids)
        self._works = {work.step: work for work in works}
        order: Order = dict.fromkeys(self._works, ())
        self._schedule = Schedule(order, parallelism)
        self._workers = Workers(
            parallelism,
            self._clock,
            Silent(),
            announced=_unasked,
            stopping=self._clock.stopped,
            lingers=self._schedule.linger,
            whose=removals.cloud,
        )

    def wake(self) -> None:
        """Notice at once that the run is stopped; from any thread."""
        self._workers.wake()

    def __call__(self) -> Iterator[Result]:
        """What each came to, as it ends; of those that a stop leaves out, or does not wait for, nothing."""
        try:
            while True:
                while not self._clock.stopped() and (step := self._schedule.next()) is not None:
                    self._workers.send(self._works[step])
                if not self._workers.under_way:
                    return
                back = self._workers.take()
                if not back and self._clock.stopped():
                    return
                for result in back:
                    (self._schedule.succeed if result.error is None else self._schedule.fail)(result.work.step)
                    yield result
        finally:
            self._workers.close()

    def _work(self, bid: LiveBid, intent: Intent) -> Work:
        # Several bids may carry one address: here each has one of its own.
        step = Step("down", Address("bid", bid.id))

        def cancel(_: Intent) -> Answer:
            was_gone = bid.ended or not self._removals.cancel(bid.id, lambda: self._workers.linger(step))
            return Answer(None, was_gone)

        return Work(step, Delete(intent.address, before=bid.bid, id=bid.id), intent, cancel)


def _unasked(asked: Announcement) -> None:
    asked.error = CloudError("a cancellation announces nothing twice")
    asked.answered.set()
