"""A stack, and what can be done to it: each call one operation that may change what is live."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

from attrs import evolve

from flowplan.api.arguments import Length, budgets, one_of, seconds, whole, within
from flowplan.api.given import Names, flag, hold_reporter, ids, path, paths, text
from flowplan.api.hearing import Heard, Hearing
from flowplan.api.mending import Mending
from flowplan.api.opening import Opening
from flowplan.api.proposal import Proposal
from flowplan.api.thread import Stop, hold_stop, in_a_thread
from flowplan.apply.events import Silent
from flowplan.apply.options import OnUnknown
from flowplan.apply.scan import SETTLE_WINDOW
from flowplan.apply.waits import Until
from flowplan.errors import UsageProblem
from flowplan.model.bases import BudgetBasis
from flowplan.operations.apply import apply
from flowplan.operations.proposing.refusing import hold_unseen, tell_unseen
from flowplan.operations.proposing.request import Request
from flowplan.operations.running.approval import Approved
from flowplan.operations.running.options import RunOptions
from flowplan.operations.running.plan_file import given_plan
from flowplan.operations.running.saved_plan import hold_expected, request_of, unchecked

if TYPE_CHECKING:
    from flowplan.apply.events import Reporter
    from flowplan.apply.outcome import Outcome
    from flowplan.documents.shapes.plan import SealedPlan
    from flowplan.documents.watched import Told

_PROPOSAL = "stack.apply(stack.plan())"


class ApplyOptions(TypedDict, total=False):
    """The keyword arguments of `apply`."""

    wait: Until
    timeout: Length
    parallelism: int
    settle_window: float
    on_unknown: OnUnknown
    reporter: Reporter | None
    hooks: bool
    stop: Stop | None


class Stack(Mending):
    """Tasks and what is live of them. Made by `load`."""

    __slots__ = ()
    _opening: Opening

    def apply(
        self,
        proposal: Proposal | str | Path,
        *,
        expect: str | None = None,
        wait: Until = "placed",
        timeout: Length = "30m",
        parallelism: int = 10,
        settle_window: float = SETTLE_WINDOW,
        on_unknown: OnUnknown = "retry",
        reporter: Reporter | None = None,
        hooks: bool = False,
        stop: Stop | None = None,
    ) -> Outcome:
        """Do exactly what `proposal` says, or the saved plan in the file that it names, once, or raise. What that plan
        was allowed holds only where it is proved to be the one: by `expect`, the digest that it must have
        (`document["sha256"]`), or by FLOWPLAN_PLAN_KEY. It is planned again first: StalePlan when the files, the
        state or what is live have changed since, or when it was begun already; GuardRefused when a guard refuses it.
        What its `diagnostics` warn of refuses nothing: that is yours to look at. `note` (see load) hears of a proposal
        whose variables are those of another environment, or that may place again what runs already.

        `timeout`: for a removal, and for what `wait` waits for. `parallelism`: calls at once, at most 256.
        `settle_window`: seconds in which a create whose answer was lost may still show up, at most 3600. `reporter`
        (see Silent) hears of each step once it is durable. `hooks`: run the commands of the stack file that an
        apply sets off, once all is saved; as in `plan`. `stop`: a threading.Event that any thread may set: nothing new
        is started from then on, calls under way get 5 s and are recorded, waiting ends, and Interrupted is raised.

        Raises UsageProblem, ApplyFailed when steps failed, OutcomeUnknown when it cannot be known whether something was
        created, RefusedMeanwhile when a guard refuses steps that had to wait, or keeps something running past its
        lifetime while all else is done, and CloudError, StateError, Locked.
        ApplyFailed, RefusedMeanwhile, SaveFailed (a StateError) and, where a step had begun, OutcomeUnknown and
        Interrupted have the `outcome`.
        Whatever is raised, what was done is in the state and its journal, and the next plan goes on from there.
        KeyboardInterrupt stops the run as `stop` does, and is raised again; its cause is then the Interrupted. So is
        what `reporter` or `note` raises.
        """
        how = RunOptions(
            parallelism=whole(parallelism, "parallelism", 1, 256),
            wait=one_of(wait, "wait", Until),
            timeout=seconds(timeout, "timeout"),
            settle_window=within(settle_window, "settle_window", 0, 3600),
            on_unknown=one_of(on_unknown, "on_unknown", OnUnknown),
        )
        hold_reporter(reporter)
        hold_stop(stop)
        runs_hooks = self._opening.runs(hooks)
        expected = None if expect is None else text(expect, "expect")
        request, document = self._approved(proposal, expected)
        request = evolve(request, hooks=runs_hooks)

        def run(event: Hearing) -> Outcome:
            with self._opening.session(event) as session:
                heard = Silent() if reporter is None else Heard(reporter, event)
                heard.planned(document)
                return apply(session, request, how, Approved(), heard, document)

        return in_a_thread(run, stop=stop)

    def destroy(
        self,
        *,
        keep_volumes: bool = False,
        target: Names | None = None,
        exclude: Names = (),
        allow_volume_destroy: Names = (),
        policies: str | Path | Iterable[str | Path] = (),
        **how: Unpack[ApplyOptions],
    ) -> Outcome:
        """Cancel the bids and delete the volumes that flowplan made of these tasks. With `keep_volumes` the volumes
        stay, and are managed no longer; otherwise each must be named in `allow_volume_destroy` ("*": all).
        `target`, `exclude`, `policies`: as in `plan`.
        `how`: as in `apply`. Raises GuardRefused, and then nothing was changed, and whatever `apply` raises. So it does
        where the variables are those of another environment: then look at `plan(destroy=True)`, and apply that."""
        looks, runs = (evolve(self, opening=one) for one in self._opening.parted())
        proposal = looks.plan(
            destroy=True,
            keep_volumes=keep_volumes,
            target=target,
            exclude=exclude,
            allow_volume_destroy=allow_volume_destroy,
            policies=policies,
            stop=how.get("stop"),
        )
        hold_unseen(proposal.diagnostics)
        return runs.apply(proposal, **how)

    def watch(
        self,
        every: Length = "5m",
        *,
        once: bool = False,
        max_hourly_cost: Decimal | str | None = None,
        max_cost_increase: Decimal | str | None = None,
        budget_basis: BudgetBasis = "worst",
        max_changes: int | str | None = None,
        policies: str | Path | Iterable[str | Path] = (),
        parallelism: int = 10,
        settle_window: float = SETTLE_WINDOW,
        reporter: Reporter | None = None,
        hooks: bool = False,
        stop: Stop | None = None,
    ) -> Generator[Told]:
        """Keep the stack as it is written, within the policy that its stack file has under `watch`: one round at
        once, and then one `every` so long, at least 30 seconds; `once`: only that one. Each that this yields is a round
        (`Told`): its `findings`, each with `address`, `kind`, `said`, `act`, `asks`, prices and limits in dollars per
        instance-hour; `began`, those that are new; `acted`, the addresses of which something is done; `differs`:
        something stays other than it is written until a person decides; `error`: why not all of it was looked at or
        done, which is not raised. The next one is waited for when it is asked for. The watch is over once the iterator
        is closed, also by garbage collection.

        The limits and `policies` are those of `plan`, beside those of the stack file; `parallelism`, `settle_window`,
        `reporter`, `hooks` and `stop` those of `apply`. Raises UsageProblem at once; with a round Locked where another
        watches this state, StateError where the files name another one by now. `stop` and KeyboardInterrupt end a pause
        at once, and a round as they end `apply`: the iterator raises Interrupted, or KeyboardInterrupt.
        """
        from flowplan.operations.watching.rounds import hold_pace, rounds

        hold_stop(stop)
        hold_reporter(reporter)
        pace = seconds(every, "every")
        hold_pace(pace, "every", simulated=self._opening.settings.simulated)
        request = Request(
            paths=self._opening.sources,
            budgets=budgets(max_hourly_cost, max_cost_increase, budget_basis, max_changes),
            policies=paths(policies, "policies"),
            hooks=self._opening.runs(hooks),
        )
        how = RunOptions(
            parallelism=whole(parallelism, "parallelism", 1, 256),
            settle_window=within(settle_window, "settle_window", 0, 3600),
        )
        event = Hearing()
        listener = self._opening.listener(event)
        heard = Silent() if reporter is None else Heard(reporter, event)
        made = rounds(self._opening.settings, listener, event, request, how, heard, pace, once=flag(once, "once"))
        return _one_by_one(made, event, stop)

    def recover(
        self, *, cancel: str | Iterable[str] = (), settle_window: float = SETTLE_WINDOW, stop: Stop | None = None
    ) -> bool:
        """Settle what an interrupted run left in doubt. Returns whether there was anything to do. Creates nothing.

        `cancel`: ids of bids to cancel first, which this stack placed, or took in with `import_`, and no task names:
        those that are `ours` of `orphans`, for example. All are looked at before one is cancelled, and GuardRefused is
        raised for any other, with nothing changed. `note` (see load) hears of each that is cancelled, and CloudError
        names those that may run on.

        Raises OutcomeUnknown when it still cannot be known, and UsageProblem, CloudError, StateError, Locked; `stop`
        and KeyboardInterrupt stop it as they stop `apply`."""
        from flowplan.operations.recover import settle

        named = ids(cancel, "cancel")
        window = within(settle_window, "settle_window", 0, 3600)

        def run(event: Hearing) -> bool:
            with self._opening.session(event) as session:
                say = session.listener.note
                found = settle(session, named, window, lambda id, marker: say(f"{id} ({marker.address}) is cancelled"))
                return not found.nothing

        return in_a_thread(run, stop=stop)

    def _approved(self, proposal: Proposal | str | Path, expect: str | None) -> tuple[Request, SealedPlan]:
        """What `apply` is to carry out. Raises UsageProblem, GuardRefused, StalePlan, ConfigError."""
        if isinstance(proposal, str | Path):
            saved = given_plan(self._opening.settings, path(proposal, "the file of a plan"))
            request = request_of(saved, Request(paths=self._opening.sources), expect, self._opening.settings)
            if (why := unchecked(saved, self._opening.settings)) is not None:
                hearing = Hearing()
                with hearing.ended():
                    self._opening.listener(hearing).warn(f"{why}: expect proves what is in it, not who made it")
            return request, saved
        if not isinstance(proposal, Proposal):  # notebooks have no type checker
            raise UsageProblem(f"apply carries out what plan returns, not {type(proposal).__name__}", hint=_PROPOSAL)
        with self._opening.session() as session:
            request, document = proposal.approved(session.identity)
            tell_unseen(session, proposal.diagnostics)
        hold_expected(document, expect)
        return request, document


def _one_by_one(made: Generator[Told], event: Hearing, stop: Stop | None) -> Generator[Told]:
    """The rounds of `made`, each in a thread of its own, which `event` and `stop` ask to stop."""
    try:
        while (told := in_a_thread(lambda _: next(made, None), event, stop)) is not None:
            yield told
    finally:
        made.close()
