"""A stack, and what can be asked of it: each call one operation."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict, Unpack

from attrs import evolve, field

from flowplan.api.arguments import (
    Length,
    budgets,
    hours,
    limit_price,
    one_of,
    patterns,
    seconds,
    whole,
    within,
)
from flowplan.api.given import flag, hold_reporter, names, path, paths, text
from flowplan.api.proposal import Proposal
from flowplan.api.thread import Stop, hold_stop, in_a_thread
from flowplan.apply.events import Silent
from flowplan.classes import frozen
from flowplan.cloud.http.redaction import Hidden, forms_in
from flowplan.config import Source
from flowplan.documents.json_text import dumps
from flowplan.errors import UsageProblem
from flowplan.exact import exactly
from flowplan.model.bases import BudgetBasis
from flowplan.model.durations import WHAT_IF
from flowplan.operations import apply as applying
from flowplan.operations import plan as planning
from flowplan.operations.files import hold_writable, write_output
from flowplan.operations.market import Asked, look
from flowplan.operations.opening.combinations import hold_together
from flowplan.operations.opening.interaction import Event, Listener
from flowplan.operations.opening.session import Session
from flowplan.operations.opening.settings import Settings
from flowplan.operations.opening.sources import DEFAULT
from flowplan.operations.running.approval import Approved
from flowplan.operations.running.hooks import after_plan
from flowplan.operations.running.run import How
from flowplan.operations.running.saved_plan import as_file, given_plan, hold_expected, request_of, unchecked

if TYPE_CHECKING:
    from flowplan.apply.events import Reporter
    from flowplan.apply.outcome import Outcome
    from flowplan.config import Config
    from flowplan.documents.doctor import Checkup
    from flowplan.documents.market import Auctions
    from flowplan.documents.offers import Offers
    from flowplan.documents.shapes.plan import SealedPlan
    from flowplan.documents.shapes.track_record import TrackRecord
    from flowplan.documents.status import Status
    from flowplan.documents.watched import Told
    from flowplan.state.ownership import Orphans
    from flowplan.state.state import State

Wait = Literal["placed", "allocated", "running"]
OnUnknown = Literal["retry", "stop"]


_PROPOSAL = "stack.apply(stack.plan())"


class Applying(TypedDict, total=False):
    """The keyword arguments of `apply`."""

    wait: Wait
    timeout: Length
    parallelism: int
    settle_window: float
    on_unknown: OnUnknown
    reporter: Reporter | None
    hooks: bool
    stop: Stop | None


@frozen
class Stack:
    """Tasks and what is live of them. Made by `load`."""

    _sources: tuple[str | Source, ...]
    _settings: Settings
    _note: Callable[[str], None] | None = field(repr=False)

    @property
    def directory(self) -> Path:
        """What relative paths start from; absolute."""
        return self._settings.directory

    def __repr__(self) -> str:
        """Without the URL of its state, which may have a password."""
        given = ", ".join(one if isinstance(one, str) else one.name for one in self._sources)
        return f"<Stack: {given or DEFAULT} in {self.directory}>"

    def __reduce__(self) -> tuple[object, ...]:
        """As another process gets it: what it was given goes along, also secrets in `environ` and `variables`. Without
        an `environ` of its own it has that of the process that it is in."""
        own = self._settings.environ is os.environ
        settings = evolve(self._settings, environ={} if own else dict(self._settings.environ))
        return _again, (self._sources, settings, self._note, own)

    def validate(self) -> Config:
        """Read and check the tasks, without network. Raises ConfigError with every problem, each with its place."""
        from flowplan.operations.validate import configuration

        with self._session() as session:
            sources, _ = session.sources(self._sources)
            return configuration(session, sources)

    def plan(
        self,
        *,
        destroy: bool = False,
        keep_volumes: bool = False,
        refresh_only: bool = False,
        refresh: bool = True,
        target: Iterable[str] = (),
        exclude: Iterable[str] = (),
        replace: Iterable[str] = (),
        allow_volume_destroy: Iterable[str] = (),
        horizon: Length | None = None,
        max_hourly_cost: Decimal | str | None = None,
        max_cost_increase: Decimal | str | None = None,
        budget_basis: BudgetBasis = "worst",
        max_changes: int | str | None = None,
        what_if: Length | None = None,
        policies: str | Path | Iterable[str | Path] = (),
        hooks: bool = False,
        out: str | Path | None = None,
        stop: Stop | None = None,
    ) -> Proposal:
        """What `apply` would do. Nothing is changed.

        `destroy`: remove everything; `keep_volumes` then leaves the volumes, and forgets them.
        `refresh_only`: record in the state what changed outside, and nothing else.
        `refresh` False: plan by the state alone; such a proposal is not applied. `target`: only these
        addresses (like "bid.train", "task.sweep*") and what they need; `exclude`: all but these and what depends on
        them; `replace`: these whatever differs. `allow_volume_destroy`: names or addresses of volumes whose data may be
        lost. `horizon`: how far ahead the cost is forecast, at least a minute. `max_hourly_cost`: dollars per hour that
        the stack may cost afterwards; `max_cost_increase`: dollars, or "25%", that it may cost more; both on
        `budget_basis`. `max_changes`: how many resources, or "30%" of them, it may update, replace and delete.
        `what_if`: a simulation of the auctions over so long, from "1h" to "7d". `policies`: files of rules for the plan
        and its apply, beside those of the stack. `hooks`: run the commands of the stack file that a plan sets off,
        unless FLOWPLAN_NO_HOOKS is set. `note` (see load) hears what they write and which failed; that raises nothing.
        `out`: a file to save the plan in, for `apply`, here or by the command line; one that a guard refuses is saved,
        too. `stop`: a threading.Event that any thread may set: nothing more is asked from then on, and Interrupted is
        raised once the calls under way have ended.

        Raises UsageProblem, ConfigError, CloudError, StateError, Locked, and GuardRefused for a state of another API or
        project. A plan that a guard refuses is returned: its `diagnostics` say so, and `apply` raises GuardRefused.
        """
        request = planning.Request(
            paths=self._sources,
            destroy=flag(destroy, "destroy"),
            keep_volumes=flag(keep_volumes, "keep_volumes"),
            refresh_only=flag(refresh_only, "refresh_only"),
            refresh=flag(refresh, "refresh"),
            patterns=patterns(target, exclude, replace),
            destroyable=frozenset(names(allow_volume_destroy, "allow_volume_destroy")),
            hours=None if horizon is None else hours(horizon, "horizon"),
            budgets=budgets(max_hourly_cost, max_cost_increase, budget_basis, max_changes),
            what_if=None if what_if is None else hours(what_if, "what_if", *WHAT_IF, "1h and 7d"),
            policies=paths(policies, "policies"),
            hooks=self._runs(hooks),
            complete=True,
        )
        hold_together({**request.asked, "out": out}, lambda name: "refresh=False" if name == "no_refresh" else name)
        saved = None if out is None else str(self.directory / path(out, "out"))
        if saved is not None:
            hold_writable(saved)

        def run(event: Event) -> Proposal:
            def simulating(*_: int) -> None:
                if event.stopped():
                    raise event.interrupted("nothing was changed")

            with self._session(event) as session:
                found = planning.plan(session, request, simulating)
                if saved is not None:
                    write_output(saved, as_file(dumps(found.document), session.store.form))
                if found.hooks:
                    after_plan(session, found.hooks, found)
                return Proposal(found, request, session.identity)

        if request.hooks or stop is not None:  # Ctrl-C kills a command, and leaves none behind
            return in_a_thread(run, stop=stop)
        return run(Event())

    def apply(
        self,
        proposal: Proposal | str | Path,
        *,
        expect: str | None = None,
        wait: Wait = "placed",
        timeout: Length = "30m",
        parallelism: int = 10,
        settle_window: float = 45.0,
        on_unknown: OnUnknown = "retry",
        reporter: Reporter | None = None,
        hooks: bool = False,
        stop: Stop | None = None,
    ) -> Outcome:
        """Do exactly what `proposal` says, or the saved plan in the file that it names, once, or raise. What that plan
        was allowed holds only where it is proved to be the one: by `expect`, the digest that it must have
        (`document["sha256"]`), or by FLOWPLAN_PLAN_KEY. It is planned again first: StalePlan when the files, the
        state or what is live have changed since, or when it was begun already; GuardRefused when a guard refuses it.

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
        KeyboardInterrupt stops the run as `stop` does, and is raised again; its cause is then the Interrupted.
        """
        how = How(
            parallelism=whole(parallelism, "parallelism", 1, 256),
            wait=one_of(wait, "wait", Wait),
            timeout=seconds(timeout, "timeout"),
            settle_window=within(settle_window, "settle_window", 0, 3600),
            on_unknown=one_of(on_unknown, "on_unknown", OnUnknown),
        )
        hold_reporter(reporter)
        hold_stop(stop)
        runs_hooks = self._runs(hooks)
        expected = None if expect is None else text(expect, "expect")
        request, document = self._approved(proposal, expected)
        request = evolve(request, hooks=runs_hooks)

        def run(event: Event) -> Outcome:
            with self._session(event) as session:
                heard = reporter or Silent()
                heard.planned(document)
                return applying.apply(session, request, how, Approved(), heard, document)

        return in_a_thread(run, stop=stop)

    def destroy(
        self,
        *,
        keep_volumes: bool = False,
        target: Iterable[str] = (),
        exclude: Iterable[str] = (),
        allow_volume_destroy: Iterable[str] = (),
        policies: str | Path | Iterable[str | Path] = (),
        **how: Unpack[Applying],
    ) -> Outcome:
        """Cancel the bids and delete the volumes that flowplan made of these tasks. With `keep_volumes` the volumes
        stay, and are managed no longer; otherwise each must be named in `allow_volume_destroy` ("*": all).
        `target`, `exclude`, `policies`: as in `plan`.
        `how`: as in `apply`. Raises GuardRefused, and then nothing was changed, and whatever `apply` raises. So it does
        where the variables are those of another environment: then look at `plan(destroy=True)`, and apply that."""
        proposal = self.plan(
            destroy=True,
            keep_volumes=keep_volumes,
            target=target,
            exclude=exclude,
            allow_volume_destroy=allow_volume_destroy,
            policies=policies,
            stop=how.get("stop"),
        )
        planning.hold_unseen(proposal.diagnostics)
        return self.apply(proposal, **how)

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
        settle_window: float = 45.0,
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
        hold_pace(pace, "every", simulated=self._settings.simulated)
        request = planning.Request(
            paths=self._sources,
            budgets=budgets(max_hourly_cost, max_cost_increase, budget_basis, max_changes),
            policies=paths(policies, "policies"),
            hooks=self._runs(hooks),
        )
        how = How(
            parallelism=whole(parallelism, "parallelism", 1, 256),
            settle_window=within(settle_window, "settle_window", 0, 3600),
        )
        event = Event()
        listener = self._listener()
        heard = reporter or Silent()
        made = rounds(self._settings, listener, event, request, how, heard, pace, once=flag(once, "once"))
        return _one_by_one(made, event, stop)

    def status(self) -> Status:
        """What flowplan made, and what it is doing: bids with instances, price and what was paid, and volumes. Raises
        CloudError, StateError, GuardRefused for a state of another API or project."""
        from flowplan.operations.status import status

        with self._session() as session:
            return status(session)

    def cost(self, horizon: Length = "30d") -> TrackRecord:
        """What the stack as it is will cost over `horizon`, and how earlier forecasts compare with what was paid: what
        `flowplan cost --format json` prints. Keeps forecasts of the coming day in the stack's directory.
        Raises what `status` raises."""
        from flowplan.documents.track_record import document
        from flowplan.operations.cost import truth

        with self._session() as session:
            return document(truth(session, hours(horizon, "horizon")))

    def market(
        self,
        *types: str,
        region: str | None = None,
        limit: Decimal | str | None = None,
        horizon: Length = "24h",
        history: Length | None = None,
    ) -> Auctions:
        """The auctions as anybody sees them; the tasks do not matter. `types`: as in a task file, a GPU ("h100": all
        its sizes), or the id of an auction; none: all. `limit`: dollars per instance-hour of a bid for one instance,
        whose outlook is asked for. `horizon`: how far ahead to forecast; `history`: how far back, and the document then
        lists the price changes since.

        `offers` of it: each auction with `market` (prices now, dollars per instance-hour), `entry`, `ahead` (a
        forecast), `advice` on a limit, and with `limit` also `bid` and its `outlook`. What could not be fetched is
        unknown, and in `notes`. Raises UsageProblem, ConfigError for a type or a region that is not there, CloudError.
        """
        asked = Asked(
            hours(horizon, "horizon"),
            None if history is None else timedelta(hours=hours(history, "history")),
            None if limit is None else limit_price(limit, "limit"),
            advice=True,
        )
        named = tuple(text(one, "a type") for one in types)
        where = None if region is None else text(region, "region")
        with self._session() as session:
            return look(session, named, where, asked)

    def offers(self) -> Offers:
        """Where the tasks could go now, without a plan: `tasks` in the order of the files, each with its `places`, the
        best first, and why each other is not. Volumes that exist fix the region. No lock is taken, nothing is changed.
        Raises ConfigError, also for a task that can go nowhere, and what `status` raises."""
        from flowplan.operations.offers import offers

        with self._session() as session:
            return offers(session, self._sources)

    def doctor(self) -> Checkup:
        """Whether all is there that these calls need: `checks` of credentials, API, clock, project, SSH key, quota,
        configuration, backend, state and lock, each with `verdict` ("ok", "warning", "failed", "skipped"), `summary`
        and `remedy`. Nothing is changed, and no simulator made. Raises nothing of what it checks."""
        from flowplan.operations.doctor import doctor

        with self._session() as session:
            return doctor(session, self._sources)

    def orphans(self) -> Orphans:
        """What is live with flowplan's marker and in no state here. Raises what `status` raises."""
        from flowplan.operations.orphans import find

        with self._session() as session:
            return find(session)

    def recover(self, *, settle_window: float = 45.0, stop: Stop | None = None) -> bool:
        """Settle what an interrupted run left in doubt. Returns whether there was anything. Creates nothing. Raises
        OutcomeUnknown when it still cannot be known; `stop` and KeyboardInterrupt stop it as they stop `apply`."""
        from flowplan.operations.recover import settle

        window = within(settle_window, "settle_window", 0, 3600)

        def run(event: Event) -> bool:
            with self._session(event) as session:
                return not settle(session, (), window, lambda id, marker: None).nothing

        return in_a_thread(run, stop=stop)

    def state(self) -> State:
        """What flowplan made, as it was last applied. No network. Raises StateError."""
        with self._session() as session:
            return session.kept().state

    def _approved(self, proposal: Proposal | str | Path, expect: str | None) -> tuple[planning.Request, SealedPlan]:
        """What `apply` is to carry out. Raises UsageProblem, GuardRefused, StalePlan, ConfigError."""
        if isinstance(proposal, str | Path):
            saved = given_plan(self._settings, path(proposal, "the file of a plan"))
            request = request_of(saved, planning.Request(paths=self._sources), expect, self._settings)
            if (why := unchecked(saved, self._settings)) is not None:
                self._listener().warn(f"{why}: expect proves what is in it, not who made it")
            return request, saved
        if not isinstance(proposal, Proposal):  # notebooks have no type checker
            raise UsageProblem(f"apply carries out what plan returns, not {type(proposal).__name__}", hint=_PROPOSAL)
        with self._session() as session:
            request, document = proposal.approved(session.identity)
        hold_expected(document, expect)
        return request, document

    def _runs(self, hooks: bool) -> bool:
        return flag(hooks, "hooks") and self._settings.runs_hooks

    @contextmanager
    def _session(self, event: Event | None = None) -> Iterator[Session]:
        with exactly(), Session(self._settings, self._listener(), event or Event(), paths=self._sources) as session:
            yield session

    def _listener(self) -> Listener:
        """What it hears, hides and masks is its own: a secret that one call has read."""
        hidden, known = Hidden(), forms_in(self._settings.environ)
        hidden.hide(lambda: known)
        listener = Listener(hide=hidden.hide, secretless=hidden.secretless)
        if (note := self._note) is not None:
            listener = evolve(listener, note=lambda said: note(hidden.secretless(said)))
            listener = evolve(listener, warn=listener.note)
        return listener


def _again(
    sources: tuple[str | Source, ...], settings: Settings, note: Callable[[str], None] | None, own: bool
) -> Stack:
    """A stack that was pickled. `own`: its environment is that of this process."""
    return Stack(sources, evolve(settings, environ=os.environ) if own else settings, note)


def _one_by_one(made: Generator[Told], event: Event, stop: Stop | None) -> Generator[Told]:
    """The rounds of `made`, each in a thread of its own, which `event` and `stop` ask to stop."""
    try:
        while (told := in_a_thread(lambda _: next(made, None), event, stop)) is not None:
            yield told
    finally:
        made.close()
