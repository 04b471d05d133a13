"""The Python API: a stack of tasks, planned, priced and applied by a program.

Nothing is printed, no signal handler is set, the working directory stays. Every call opens what it needs and closes it
again, so a Stack may be used from any thread, and several stacks in one process. A call is its own approval: nobody is
asked.

Money is Decimal, in dollars; None where it is not known. Times are texts like "90s", "24h" or "7d"; as a number, how
far to look ahead is in hours, and how long to wait in seconds. Everything that goes wrong is a FlowplanError
(flowplan.errors says which), with `hint`: what to do about it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar, Unpack

from attrs import field, frozen

from flowplan.apply.events import Silent
from flowplan.arguments import (
    Length,
    budgets,
    hours,
    names,
    one_of,
    patterns,
    seconds,
    sources_of,
    texts_of,
    whole,
    within,
)
from flowplan.config import Source
from flowplan.errors import GuardRefused, UsageProblem
from flowplan.model.budget import BudgetBasis
from flowplan.model.durations import WHAT_IF
from flowplan.operations import apply as applying
from flowplan.operations import plan as planning
from flowplan.operations.combinations import hold_together
from flowplan.operations.interaction import Event, Listener
from flowplan.operations.saved_plan import hold_whole
from flowplan.operations.session import Session
from flowplan.operations.settings import Settings

if TYPE_CHECKING:
    from flowplan.apply.events import Reporter
    from flowplan.apply.outcome import Outcome
    from flowplan.config import Config
    from flowplan.cost.costs import Costs
    from flowplan.diagnostics import Diagnostic
    from flowplan.documents.shapes.plan import SealedPlan
    from flowplan.documents.shapes.track_record import TrackRecord
    from flowplan.documents.status import Status
    from flowplan.planning.plan import Plan
    from flowplan.state.ownership import Orphans
    from flowplan.state.state import State

T = TypeVar("T")
Wait = Literal["placed", "allocated", "running"]
OnUnknown = Literal["retry", "stop"]


class Applying(TypedDict, total=False):
    """The keyword arguments of `apply`."""

    wait: Wait
    timeout: Length
    parallelism: int
    settle_window: float
    on_unknown: OnUnknown
    reporter: Reporter | None


def load(
    *sources: str | Path | Mapping[str, Any],
    directory: str | Path = ".",
    api_url: str | None = None,
    project: str | None = None,
    ssh_key: str | None = None,
    state: str | Path = "flowplan.state.json",
    lock_timeout: Length = "0s",
    environ: Mapping[str, str] | None = None,
    variables: Mapping[str, Any] | None = None,
    variable_files: str | Path | Iterable[str | Path] = (),
    note: Callable[[str], None] | None = None,
    **task: Any,
) -> Stack:
    """A stack: the tasks of `sources` (task files, directories of them, or tasks as dicts with the keys of a task
    file), else of `flowplan.yaml` in `directory`. Other keyword arguments are the keys of one more task:

        load(name="train", resources_specification={"fcp_instance": "h100.8x.SXM5.IB"}, api_url="sim:")

    `directory`: where the state is, and what relative paths start from. `api_url`: "sim:" is the embedded simulator.
    `lock_timeout`: how long to wait for the lock. `environ` (os.environ): where credentials and FLOWPLAN_ variables are
    looked up. `variables`: values of the variables of a stack file, by name; `variable_files`: files of such values.
    `note` hears what flowplan remarks while it works, a sentence each. Nothing is read yet. Raises UsageProblem.
    """
    tasks = sources_of([one for one in sources if isinstance(one, Mapping)] + ([task] if task else []))
    given = [str(one) for one in sources if not isinstance(one, Mapping)]
    for one in sources:
        if not isinstance(one, str | Path | Mapping):
            raise UsageProblem(f"{one!r} is neither a path nor a task", hint="give a file, a directory, or a dict")
    settings = Settings(
        directory=Path(directory).absolute(),
        state=str(state),
        given_api_url=api_url,
        project=project,
        ssh_key=ssh_key,
        lock_timeout=seconds(lock_timeout, "lock_timeout"),
        environ=os.environ if environ is None else environ,
        command="python: flowplan",
        variables=texts_of(variables or {}),
        variable_files=_files(variable_files),
    )
    _ = settings.api_url  # one that holds a password is refused before anything shows it
    listener = Listener() if note is None else Listener(note=note)
    return Stack((*given, *tasks), settings, listener)


@frozen
class Proposal:
    """What would be done, what it costs and what is said about it. `apply` carries out exactly this, or raises."""

    _planned: planning.Planned = field(repr=False)
    _request: planning.Request = field(repr=False)
    _state: str = field(repr=False)  # what tells the state from others that it was made for

    @property
    def plan(self) -> Plan:
        """`changes`, in the order of addresses, and `empty`: whether there is nothing to do."""
        return self._planned.priced.plan

    @property
    def costs(self) -> Costs:
        """What each change costs, now and ahead, and the whole: dollars, None where it is not known."""
        return self._planned.priced.costs

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What refuses it (severity "error": `apply` raises), and what is warned of or noted."""
        return self._planned.priced.diagnostics

    @property
    def document(self) -> SealedPlan:
        """What `flowplan plan --format json` prints."""
        return self._planned.sealed

    def __repr__(self) -> str:
        counts = [f"{count} {action}" for action, count in self.plan.count().items() if count]
        return f"<Proposal: {', '.join(counts) or 'nothing'}{'; refused' if self._planned.priced.errored else ''}>"

    def __str__(self) -> str:
        """What `flowplan plan` prints, and what refuses it."""
        from flowplan.reports.text.paint import Paint
        from flowplan.reports.text.plan import refusals, text

        body, paint = self._planned.document, Paint(on=False)
        why = refusals(body, paint)
        return text(body, paint) + (f"\n{why}\n" if why else "")

    def _repr_html_(self) -> str:
        """The plan in a notebook."""
        from flowplan.reports.html.plan import html

        return html(self._planned.document)


@frozen
class Stack:
    """Tasks and what is live of them. Made by `load`."""

    _sources: tuple[str | Source, ...]
    _settings: Settings
    _listener: Listener = field(repr=False)

    @property
    def directory(self) -> Path:
        """Where the state is, and what relative paths start from; absolute."""
        return self._settings.directory

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
    ) -> Proposal:
        """What `apply` would do. Nothing is changed.

        `destroy`: remove everything; `keep_volumes` then leaves the volumes, and forgets them.
        `refresh_only`: record in the state what changed outside, and nothing else.
        `refresh` False: plan by the state alone; such a proposal is not applied. `target`: only these
        addresses (like "bid.train", "task.sweep*") and what they need; `exclude`: all but these and what depends on
        them; `replace`: these whatever differs. `allow_volume_destroy`: names of volumes whose data may be lost.
        `horizon`: how far ahead the cost is forecast, at least a minute. `max_hourly_cost`: dollars per hour that the
        stack may cost afterwards; `max_cost_increase`: dollars, or "25%", that it may cost more; both on
        `budget_basis`. `max_changes`: how many resources, or "30%" of them, it may update, replace and delete.
        `what_if`: a simulation of the auctions over so long, from "1h" to "7d". `policies`: files of rules for the plan
        and its apply, beside those of the stack.

        Raises UsageProblem, ConfigError, CloudError, StateError, Locked, and GuardRefused for a state of another API or
        project. A plan that a guard refuses is returned: its `diagnostics` say so, and `apply` raises GuardRefused.
        """
        selected, destroyable = patterns(target, exclude, replace), frozenset(names(allow_volume_destroy))
        hold_together(
            {
                "destroy": destroy,
                "refresh_only": refresh_only,
                "no_refresh": not refresh,
                "keep_volumes": keep_volumes,
                "replace": selected.replace,
                "allow_volume_destroy": destroyable,
                "max_changes": max_changes is not None,
                "what_if": what_if is not None,
            },
            lambda name: "refresh=False" if name == "no_refresh" else name,
        )
        request = planning.Request(
            paths=self._sources,
            destroy=destroy,
            keep_volumes=keep_volumes,
            refresh_only=refresh_only,
            refresh=refresh,
            patterns=selected,
            destroyable=destroyable,
            hours=None if horizon is None else hours(horizon, "horizon"),
            budgets=budgets(max_hourly_cost, max_cost_increase, budget_basis, max_changes),
            what_if=None if what_if is None else hours(what_if, "what_if", *WHAT_IF, "1h and 7d"),
            policies=_files(policies),
            complete=True,
        )
        with self._session() as session:
            return Proposal(planning.plan(session, request), request, session.identity)

    def apply(
        self,
        proposal: Proposal,
        *,
        wait: Wait = "placed",
        timeout: Length = "30m",
        parallelism: int = 10,
        settle_window: float = 45.0,
        on_unknown: OnUnknown = "retry",
        reporter: Reporter | None = None,
    ) -> Outcome:
        """Do exactly what `proposal` says, once, or raise. It is planned again first: StalePlan when the files, the
        state or what is live have changed since, or when it was applied already; GuardRefused when a guard refuses it.

        `timeout`: for a removal, and for what `wait` waits for. `parallelism`: calls at once, at most 256.
        `settle_window`: seconds in which a create whose answer was lost may still show up, at most 3600. `reporter`
        (see Silent) hears of each step once it is durable.

        Raises UsageProblem, ApplyFailed when steps failed, OutcomeUnknown when it cannot be known whether something was
        created, and CloudError, StateError, Locked. Whatever is raised, what was done is in the state and its journal,
        and the next plan goes on from there. After KeyboardInterrupt nothing new is started, calls under way are
        recorded, and it is raised again.
        """
        how = applying.How(
            parallelism=whole(parallelism, "parallelism", 1, 256),
            wait=one_of(wait, "wait", Wait),
            timeout=seconds(timeout, "timeout"),
            settle_window=within(settle_window, "settle_window", 0, 3600),
            on_unknown=one_of(on_unknown, "on_unknown", OnUnknown),
        )
        with self._session() as session:
            here = session.identity
        if proposal._state != here:
            raise UsageProblem(f"this proposal was made for {proposal._state}, not for {here}")
        if not proposal._request.refresh:
            raise UsageProblem("this proposal was made with refresh=False: the cloud was not checked")
        document = proposal._planned.sealed
        hold_whole(document)
        _hold_allowed(proposal)

        def run(event: Event) -> Outcome:
            with self._session(event) as session:
                heard = reporter or Silent()
                heard.planned(document)
                return applying.apply(session, proposal._request, how, applying.Approved(), heard, document)

        return _in_a_thread(run)

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
        `how`: as in `apply`. Raises GuardRefused, and then nothing was changed, and whatever `apply` raises."""
        proposal = self.plan(
            destroy=True,
            keep_volumes=keep_volumes,
            target=target,
            exclude=exclude,
            allow_volume_destroy=allow_volume_destroy,
            policies=policies,
        )
        return self.apply(proposal, **how)

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

    def orphans(self) -> Orphans:
        """What is live with flowplan's marker and in no state here. Raises what `status` raises."""
        from flowplan.operations.orphans import find

        with self._session() as session:
            return find(session)

    def recover(self, *, settle_window: float = 45.0) -> bool:
        """Settle what an interrupted run left in doubt. Returns whether there was anything. Creates nothing. Raises
        OutcomeUnknown when it still cannot be known; KeyboardInterrupt stops it as it stops `apply`."""
        from flowplan.operations.recover import settle

        window = within(settle_window, "settle_window", 0, 3600)

        def run(event: Event) -> bool:
            with self._session(event) as session:
                return settle(session, (), window, lambda id, marker: None)

        return _in_a_thread(run)

    def state(self) -> State:
        """What flowplan made, as it was last applied. No network. Raises StateError."""
        with self._session() as session:
            return session.kept().state

    def _session(self, event: Event | None = None) -> Session:
        return Session(self._settings, self._listener, event or Event())


def _files(given: str | Path | Iterable[str | Path]) -> tuple[str, ...]:
    """One file may be given alone."""
    return (str(given),) if isinstance(given, str | Path) else tuple(map(str, given))


def _hold_allowed(proposal: Proposal) -> None:
    """Raise GuardRefused for a proposal that a guard refuses."""
    refusals = proposal._planned.priced.refusals
    if refusals:
        first, *more = refusals
        raise GuardRefused(
            f"refused: {first.summary}; nothing was changed",
            code=first.code,
            detail="\n".join(one.summary for one in more) or None,
            hint=first.hint,
        )


def _in_a_thread(run: Callable[[Event], T]) -> T:
    """What `run` returns or raises. It runs in a thread of its own, so that Ctrl-C interrupts the waiting and not the
    writing: the run is asked to stop, and waited for. A second one leaves it alone; the process ends after it.
    However often it comes, and wherever: nobody goes on who was not asked to stop."""
    event = Event()
    begun: list[bool] = []
    results: list[T] = []
    errors: list[BaseException] = []
    ended = threading.Lock()  # no interruption leaves one half acquired, as it may an Event
    ended.acquire()

    def work() -> None:
        begun.append(True)
        try:
            if not event.stopped():  # else nobody may wait for it: before `begun`
                results.append(run(event))
        except BaseException as error:  # noqa: BLE001 - it is raised where it was called
            errors.append(error)
        finally:
            ended.release()

    try:
        threading.Thread(target=work, name="flowplan-run").start()
        ended.acquire()
    except BaseException:  # an interruption within `start` may come out as another error
        _stop(event)
        if begun:  # else it starts nothing any more
            ended.acquire()
        raise
    if errors:
        raise errors[0]
    return results[0]


def _stop(event: Event) -> None:
    """Ask the run to stop, however often that is interrupted."""
    while True:
        with suppress(KeyboardInterrupt):
            return event.stop()
