"""Who hears what a run does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from flowplan.classes import frozen

if TYPE_CHECKING:
    from decimal import Decimal

    from flowplan.apply.outcome import Outcome
    from flowplan.errors import FlowplanError
    from flowplan.model.resources import Bid
    from flowplan.planning.actions import Change
    from flowplan.planning.plan import Plan
    from flowplan.planning.steps import Step


class Events(Protocol):
    """Told what happens, after it is durable. Must not raise: reports decide nothing."""

    def started(self, step: Step, change: Change) -> None:
        """A step is about to be asked for: its intent is durable."""

    def progress(self, step: Step, change: Change, seconds: float) -> None:
        """A step is still under way, `seconds` after it started."""

    def done(self, step: Step, change: Change, id: str | None, seconds: float) -> None:
        """A step is done, after `seconds`; `id`: the object that it made or changed, None where there is none any
        more."""

    def failed(self, step: Step, change: Change, error: FlowplanError) -> None:
        """A step failed for good; what was done before it stands."""

    def note(self, text: str) -> None:
        """A sentence about something that does not decide how the run ends."""


@frozen
class Prices:
    """Of the auction of a bid, in dollars per instance-hour: the last price, None where it is unknown; and the lowest
    limit that wins now, None where that is unknown or that of the bid does."""

    last: Decimal | None = None
    to_win: Decimal | None = None


@frozen
class Awaited:
    """A placed bid that is waited for: `status` in the API's words, or one of apply.standing."""

    step: Step
    bid: Bid
    status: str
    prices: Prices


class Reporter(Events, Protocol):
    """Also hears the plan before, what is waited for then (each time that one of them comes on, or the price of its
    auction changes; `seconds`: how long so far), and what it came to in the end."""

    def planned(self, body: Mapping[str, Any]) -> None:
        """The plan that is carried out, as its JSON document."""

    def waits(self, for_: Sequence[Awaited], until: str, seconds: float) -> None:
        """What is waited for until it is `until`; `seconds`: how long so far."""

    def summary(self, plan: Plan, outcome: Outcome) -> None:
        """What the run came to, also where it failed or was stopped."""


class Silent(Reporter):
    """A reporter that reports nothing: a program overrides what it wants to hear. `seconds`: how long the step has
    taken. It is called from the run's own thread. What it raises stops the run as `stop` of `apply` does, and is raised
    again once what was under way is recorded; its cause is then what ended the run."""

    def planned(self, body: Mapping[str, Any]) -> None: ...
    def started(self, step: Step, change: Change) -> None: ...
    def progress(self, step: Step, change: Change, seconds: float) -> None: ...
    def done(self, step: Step, change: Change, id: str | None, seconds: float) -> None: ...
    def failed(self, step: Step, change: Change, error: FlowplanError) -> None: ...
    def note(self, text: str) -> None: ...
    def waits(self, for_: Sequence[Awaited], until: str, seconds: float) -> None: ...
    def summary(self, plan: Plan, outcome: Outcome) -> None: ...


@frozen
class PassesOn(Reporter):
    """A reporter that passes on all that it hears to each of `reporters`, in their order."""

    reporters: tuple[Reporter, ...]

    def planned(self, body: Mapping[str, Any]) -> None:
        for one in self.reporters:
            one.planned(body)

    def started(self, step: Step, change: Change) -> None:
        for one in self.reporters:
            one.started(step, change)

    def progress(self, step: Step, change: Change, seconds: float) -> None:
        for one in self.reporters:
            one.progress(step, change, seconds)

    def done(self, step: Step, change: Change, id: str | None, seconds: float) -> None:
        for one in self.reporters:
            one.done(step, change, id, seconds)

    def failed(self, step: Step, change: Change, error: FlowplanError) -> None:
        for one in self.reporters:
            one.failed(step, change, error)

    def note(self, text: str) -> None:
        for one in self.reporters:
            one.note(text)

    def waits(self, for_: Sequence[Awaited], until: str, seconds: float) -> None:
        for one in self.reporters:
            one.waits(for_, until, seconds)

    def summary(self, plan: Plan, outcome: Outcome) -> None:
        for one in self.reporters:
            one.summary(plan, outcome)


@frozen
class Secretless(PassesOn):
    """Passes on each failure without what must stay secret: an API may repeat what it was sent."""

    secretless: Callable[[str], str]

    def failed(self, step: Step, change: Change, error: FlowplanError) -> None:
        error.hide(self.secretless)
        PassesOn.failed(self, step, change, error)
