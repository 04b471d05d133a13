"""One run of a command: where things are, and the steps that several commands share."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import click
from attrs import define, field, frozen

from flowplan.backends.local import DEFAULT, Loaded, LocalStore
from flowplan.backends.lock import NAME as LOCK_NAME
from flowplan.backends.lock import Lock, Owner, this_process
from flowplan.backends.overflow import spill_directory
from flowplan.cli.durations import read_duration
from flowplan.cli.terminal import Terminal
from flowplan.cloud.http.redaction import forms_in, without
from flowplan.diagnostics import Problem
from flowplan.errors import (
    CloudError,
    ConfigError,
    GuardRefused,
    Interrupted,
    NoLocks,
    UsageProblem,
)
from flowplan.files.atomic import hold_no_device
from flowplan.masking import masked
from flowplan.operations.sources import Scope, find, read_beside
from flowplan.pricing import HOUR
from flowplan.printable import shown
from flowplan.state.state import Binding, State, lately

if TYPE_CHECKING:
    from flowplan.cloud.fcp import Fcp
    from flowplan.config import Config, Source
    from flowplan.model.address import Address
    from flowplan.model.budget import Budget
    from flowplan.model.catalogue import Catalogue, Named, Place, Quota
    from flowplan.model.live import Live
    from flowplan.planning.lookup import Desired
    from flowplan.planning.plan import Plan, Refusal, Wishes
    from flowplan.pricing import Stream
    from flowplan.state.journal import Intent

FromFile = TypeVar("FromFile", "Binding", "Intent")
PUBLIC_API = "https://api.mithril.ai"
SIMULATOR = "sim:"
SIMULATOR_DATA = ".flowplan/simulator.db"
_LONGEST_STACK = "s" * 64  # stands for the stack's name when scripts are measured without reading the state


def calls_left() -> bool:
    """Whether a stopped run left calls under way that nobody waits for: each has its intent in the journal."""
    return any(thread.name.startswith("flowplan-call") for thread in threading.enumerate())


@define
class Session:
    """The world of one command. Made from the click context; nothing is opened before it is needed."""

    told: Mapping[str, Any]  # the global options
    terminal: Terminal
    environ: Mapping[str, str] = field(factory=lambda: os.environ)
    pause: Callable[[float], None] = time.sleep  # between two tries of a call; a run that is stopped raises there
    _cloud: Any = field(default=None, init=False)
    _store: LocalStore | None = field(default=None, init=False)
    _lock: Lock | None = field(default=None, init=False)  # while it is held
    _wrote: bool = field(default=False, init=False)  # whether anything was recorded
    no_projects: tuple[CloudError, ...] = field(default=(), init=False)  # why they could not be listed

    @classmethod
    def of(cls, ctx: click.Context) -> Session:
        """The session of a command; goes to --chdir first."""
        told = ctx.find_root().obj
        terminal: Terminal = told["terminal"]
        if told.get("no_color"):
            terminal.plain()
        if directory := told.get("chdir"):
            try:
                os.chdir(directory)
            except OSError as error:
                raise UsageProblem(f"--chdir {directory}: {error.strerror}") from error
        _hold_here()
        session = cls(told, terminal)
        ctx.call_on_close(session.close)
        return session

    def close(self) -> None:
        """Close what was opened; a second time does nothing."""
        if self._cloud is not None and not calls_left():
            self._cloud.close()
            self._cloud = None

    # -- where things are

    @property
    def store(self) -> LocalStore:
        """The state of this command; one for all of it: what it has read is what its save puts an end to."""
        if self._store is None:
            given: str = self.told.get("state") or DEFAULT
            _hold_file(given)
            path = Path(given)
            # Whoever comes by another link takes the same lock, and writes the same journal.
            if os.path.islink(path):  # noqa: PTH114 - of a name that is too long it says no, and raises nothing
                path = Path(os.path.realpath(path))
            self._store = LocalStore(path, spill_directory(self.environ), self._hold_lock)
        return self._store

    @property
    def lock_path(self) -> Path:
        return self.store.path.with_name(LOCK_NAME)

    @property
    def api_url(self) -> str:
        """--api-url, FLOWPLAN_API_URL, MITHRIL_API_URL, else the public API; without a slash at the end."""
        found = self.told.get("api_url") or self.environ.get("FLOWPLAN_API_URL") or self.environ.get("MITHRIL_API_URL")
        found = (found or PUBLIC_API).rstrip("/")
        if "@" in found and not found.startswith(SIMULATOR):
            raise UsageProblem(
                "the API's URL must not hold a user name or a password",
                hint="take them out; flowplan --help says where credentials come from",
            )
        return found

    @property
    def simulated(self) -> bool:
        return self.api_url.startswith(SIMULATOR)

    @property
    def simulator_data(self) -> Path:
        return Path(self.api_url.removeprefix(SIMULATOR) or SIMULATOR_DATA)

    def now(self) -> str:
        return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

    # -- the configuration

    def sources(self, paths: Sequence[str], *, optional: bool = False) -> tuple[list[Source], Scope]:
        """The configuration files that PATHs mean, and what they cover. `optional`: for what only takes away."""
        return find(paths, self.store.path.parent, optional=optional, made=self._made)

    def _made(self, scope: Scope) -> bool:
        return any(scope.covers(binding) for binding in self.store.read().state.bindings.values())

    def configuration(self, sources: Sequence[Source]) -> Config:
        """Read and check everything that needs no network. Raises ConfigError with every problem."""
        from flowplan.config import read

        config = read(sources, read_beside)
        problems = unsendable(config, _LONGEST_STACK)
        if problems:
            raise ConfigError([*problems, *config.warnings])
        return config

    def stack_name(self, state: State) -> str:
        """Kept in the state since the first apply; before that, the directory's name."""
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", Path.cwd().name).strip("-")
        return state.stack or plain[: len(_LONGEST_STACK)] or "flowplan"

    # -- the lock and the state

    @contextmanager
    def locked(self, *, reading: bool = False) -> Iterator[Lock | None]:
        """Hold the lock. `reading`: a directory that cannot be written is no reason not to look."""
        _ = self.api_url  # a URL that must not be written is refused before anything is
        if not self.lock_path.absolute().parent.is_dir():
            raise UsageProblem(f"--state {self.store.path}: there is no directory {self.store.path.parent}")
        if self.told.get("no_lock"):
            if not reading:
                raise UsageProblem("--no-lock is for looking only", hint="leave it out")
            self.terminal.note("the lock is not taken; somebody else may be changing things")
            yield None
            return
        if reading and not os.access(self.lock_path.absolute().parent, os.W_OK):
            self.terminal.note("this directory cannot be written, so the lock is not taken")
            yield None
            return
        lock = Lock(self.lock_path)
        timeout = read_duration(self.told.get("lock_timeout") or "0s", "--lock-timeout")
        with self._unwound():
            try:
                lock.acquire(self.owner(), timeout=timeout, say=self.terminal.note)
            except NoLocks as error:
                if not reading:
                    raise
                self.terminal.note(f"{error.args[0].partition(';')[0]}; somebody else may be changing things")
                yield None
                return
            self._lock = lock
            try:
                yield lock
            finally:
                self._lock = None
                lock.release()

    def owner(self) -> Owner:
        """Who this command is, to whoever finds its lock."""
        words = [masked(without(word, forms_in(self.environ))) for word in sys.argv[1:]]
        return this_process(" ".join(["flowplan", *words]), self.environ, self.now())

    @contextmanager
    def _unwound(self) -> Iterator[None]:
        """Signals within let go of the lock; then the command says what came of it. Raises Interrupted."""
        from flowplan.cli.stop import exit_signal, unwinding

        try:
            with unwinding():
                yield
        except KeyboardInterrupt as error:
            self.terminal.hurry()
            number = getattr(error, "number", signal.SIGINT)
            what = "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"
            came = "what was done is saved" if self._wrote else "nothing was changed"
            raise Interrupted(f"{what}; {came}", signal_number=exit_signal(number)) from None

    def _hold_lock(self) -> None:
        """Before anything is written. Raises StateError when the lock is not ours any more."""
        if self._lock is not None:
            self._lock.verify()
        self._wrote = True

    def load(self) -> Loaded:
        """The state, which must belong to this API. Raises StateError, GuardRefused."""
        loaded = self.store.read()
        recorded = loaded.state.api_url
        if recorded and recorded != self.api_url:
            raise GuardRefused(
                f"this state belongs to {recorded}, not to {self.api_url}",
                reason="other_endpoint",
                hint=f"give --api-url {recorded}, or another --state for the other API",
            )
        return self._placed(loaded)

    def _placed(self, loaded: Loaded) -> Loaded:
        """The files in it named from the state's own directory, as earlier versions did not."""
        kept = Scope(os.path.realpath(self.store.path.parent)).kept
        bindings = {a: _with_source(b, kept) for a, b in loaded.state.bindings.items()}
        pending = {id: _with_source(intent, kept) for id, intent in loaded.pending.items()}
        return attrs.evolve(loaded, state=attrs.evolve(loaded.state, bindings=bindings), pending=pending)

    # -- the cloud

    def cloud(self, parallelism: int = 10) -> Fcp:
        """The API's client; opened once."""
        if self._cloud is None:
            from flowplan.cloud.connect import connect

            self._cloud = connect(self, parallelism)
        found: Fcp = self._cloud
        return found

    def enter_project(self, state: State, config: Config | None) -> Named:
        """Find the project and make it the client's. Raises ConfigError, and GuardRefused for another one
        than the state's."""
        from flowplan.model.catalogue import Named
        from flowplan.operations.project import choose_project

        cloud = self.cloud()
        visible = self._projects(state)
        try:
            known = (Named(state.project, state.project_name or state.project),)
            listed = known if isinstance(visible, CloudError) else visible
            project = choose_project(listed, self.told.get("project"), config, self.environ, state)
        except ConfigError as error:
            raise (visible if isinstance(visible, CloudError) else error) from None
        if state.project and state.project != project.id:
            raise GuardRefused(
                f"this state belongs to project {state.project_name or state.project}, not to {project.name}",
                reason="other_project",
                hint=f"give --project {state.project_name or state.project}, or another --state for {project.name}",
            )
        now = cloud.now() or datetime.now(UTC)
        bound = {binding.id for binding in state.bindings.values()}  # imported since: it is there after all
        cloud.project, cloud.ended = project.id, lately(state.ended, now.timestamp()) - bound
        return project

    def _projects(self, state: State) -> tuple[Named, ...] | CloudError:
        """Those that are listed, or why they cannot be: a state that has its project goes on without. Raises CloudError
        for one that has none."""
        from flowplan.cloud.fcp import or_why

        if not state.project:
            return self.cloud().projects()
        found = or_why(self.cloud().projects)()
        self.no_projects = (found,) if isinstance(found, CloudError) else ()
        if isinstance(found, CloudError):
            self.cloud().note(f"the projects cannot be listed; it goes on with the one of the state: {found}")
        return found

    def ssh_keys(self) -> tuple[str, ...]:
        """The key for tasks that name none (--ssh-key, FOUNDRY_SSH_KEY_NAME)."""
        name = self.told.get("ssh_key") or self.environ.get("FOUNDRY_SSH_KEY_NAME")
        return (name,) if name else ()


def _with_source(of: FromFile, kept: Callable[[str], str]) -> FromFile:
    return attrs.evolve(of, source=kept(of.source)) if of.source else of


def _hold_here() -> None:
    """Raise UsageProblem where the working directory has been removed: no relative path leads anywhere then."""
    try:
        Path.cwd()
    except OSError as error:
        raise UsageProblem(
            f"the working directory cannot be used: {error.strerror}",
            hint="cd to one that exists, or give --chdir DIR",
        ) from error


def _hold_file(state: str) -> None:
    """Raise UsageProblem for a --state that cannot name a file."""
    if state.endswith("/") or os.path.isdir(state):  # noqa: PTH112 - of a name that is too long it says no
        name = shown(str(Path(state) / DEFAULT))
        raise UsageProblem(f"--state {shown(state)} is a directory", hint=f"name the file in it: --state {name}")
    hold_no_device(Path(state))  # before a lock is put beside it
    if Path(state).name == LOCK_NAME or state.endswith((".journal", "-journal")):
        raise UsageProblem(
            f"--state {shown(state)}: that is how flowplan names a lock or a journal", hint="choose another name"
        )


def unsendable(config: Config, stack: str) -> list[Problem]:
    """Startup scripts that could not be sent, each at its place."""
    from flowplan.model.resources import Inputs, Mount
    from flowplan.startup import script

    problems = []
    for address, task in config.tasks.items():
        mounts = tuple(
            Mount(use.volume, use.mount_point, volume_name=str(use.volume).removeprefix("volume."))
            for use in task.volumes
            if use.mount_point
        )
        inputs = Inputs(task.startup_script, task.ports, mounts, task.local_disks, task.container_image)
        found = script.check(inputs, address, stack)
        if found is not None:
            place = config.problem(address, "startup_script", found.summary, hint=found.hint)
            problems.append(attrs.evolve(place, detail=found.detail))
    return problems


@frozen
class Observed:
    """Everything a plan is made from. `state` counts what is live and ours, also where its making is in doubt."""

    config: Config | None
    state: State
    pending: Mapping[str, Intent]
    desired: Desired
    catalogue: Catalogue
    live: Live


def observe(
    session: Session,
    config: Config | None,
    state: State,
    pending: Mapping[str, Intent],
    *,
    kept: Mapping[Address, Place] | None = None,
) -> Observed:
    """Look at the cloud, and look every name up. `state` gets its stack, API and project. Without configuration
    nothing that is offered is asked for. What is not told stays open: see untold.py.

    `kept`: types and regions chosen already (a saved plan's). Raises ConfigError for what only the cloud shows.
    """
    from flowplan.cloud.fcp import or_why
    from flowplan.model.catalogue import Catalogue
    from flowplan.operations.looking import certain
    from flowplan.planning.lookup import Desired
    from flowplan.planning.untold import with_known_keys
    from flowplan.state.ownership import presume, strays

    project, cloud = session.enter_project(state, config), session.cloud()
    catalogue, live = (Catalogue((), ()), cloud.live_as_told()) if config is None else cloud.observe_as_told()
    state = attrs.evolve(
        state,
        stack=session.stack_name(state),
        api_url=session.api_url,
        project=project.id,
        project_name=project.name,
    )
    looked = [or_why(partial(cloud.bid, stray.id))() for stray in strays(state, live)]  # lists lag: is it live?
    found = {one.id: one for one in looked if not isinstance(one, CloudError)}
    live = attrs.evolve(live, bids={**live.bids, **found}) if found else live
    state = presume(state, pending, live)
    live = certain(cloud, state, live)
    catalogue = with_known_keys(catalogue, state) if catalogue.unread else catalogue
    catalogue = attrs.evolve(catalogue, unread=(*session.no_projects, *catalogue.unread))
    if config is None:
        return Observed(config, state, pending, Desired(), catalogue, live)
    try:
        desired = _desired(session, config, state, pending, catalogue, live, kept or {})
    except ConfigError as error:  # what is not told may be all that is wrong
        for why in (*catalogue.unread, *live.unlisted.values(), *live.unread.values()):
            raise why from None
        raise error
    return Observed(config, state, pending, desired, catalogue, live)


def _desired(
    session: Session,
    config: Config,
    state: State,
    pending: Mapping[str, Intent],
    catalogue: Catalogue,
    live: Live,
    kept: Mapping[Address, Place],
) -> Desired:
    """What the files ask for. Raises ConfigError."""
    from flowplan.planning.conflicts import conflicts
    from flowplan.planning.lookup import look_up
    from flowplan.state.ownership import adopted_volumes, placed_bids, volume_regions

    desired = look_up(
        config,
        catalogue,
        live,
        kept=kept,
        volume_regions=volume_regions(state, live),
        ssh_keys=session.ssh_keys(),
        placed=placed_bids(state, live),
        made={a: b.id for a, b in state.bindings.items() if a.kind == "volume" and b.id in live.volumes},
        adopted=adopted_volumes(state),
    )
    taken = conflicts(desired, state, pending, live)
    if taken:
        raise ConfigError([config.problem(address, "name", what, hint=hint) for address, what, hint in taken])
    return desired


def plan_of(session: Session, seen: Observed, wishes: Wishes) -> Plan:
    """Fetch the prices (one call per distinct type, region and quantity) and plan."""
    from flowplan.cost.estimate import auctions_needed, priced
    from flowplan.planning.guards import guarded
    from flowplan.planning.make import make_plan
    from flowplan.planning.untold import hold_told, only_stops

    hold_known(wishes.replace, seen)
    plan = make_plan(seen.desired, seen.state, seen.live, wishes, seen.pending)
    hold_told(plan, seen.catalogue, seen.live)
    keys = auctions_needed(seen.desired, seen.state, seen.live)
    markets = session.cloud().markets(keys, shown_only=keys if only_stops(plan) else ())
    for address, why in plan.staying:
        session.cloud().note(f"{address} stays: {why}")
    plan = held_placeable(session, priced(plan, markets), seen)
    return guarded(plan, seen.live, wishes)


def held_placeable(session: Session, plan: Plan, seen: Observed) -> Plan:
    """`plan`, with what could not be checked. Raises ConfigError for what it would place in vain: where nothing is
    offered any more, or as FCP takes it from nobody. A running bid would be cancelled first, and nothing come of it."""
    from flowplan.planning.limits import counts_against_quotas, refused

    config, unplaceable = seen.config, seen.desired.unplaceable
    if config is None:
        return plan
    placing = [change.address for change in plan.changes if change.action in ("create", "replace")]
    problems = [unplaceable[address] for address in placing if address in unplaceable]
    quotas: tuple[Quota, ...] = ()
    if counts_against_quotas(plan):
        try:
            quotas = session.cloud().quotas()
        except CloudError as error:
            plan = attrs.evolve(plan, unchecked=(f"whether quotas allow it is not known: {error}",))
    problems += refused(plan, seen.catalogue.ssh_keys, quotas, config.problem)
    if problems:
        raise ConfigError(problems)
    return plan


def hold_budgets(session: Session, plan: Plan, budgets: Sequence[Budget], hours: float | None) -> Plan:
    """`plan` held to `budgets`; forecast first, where one of them is judged by that and it is not yet."""
    from flowplan.cost.budgets import budgeted

    if plan.forecast is None and any(budget.by_forecast for budget in budgets):
        plan = forecast(session, plan, hours, spans=(HOUR,))
    return budgeted(plan, budgets)


def forecast(
    session: Session,
    plan: Plan,
    hours: float | None,
    *,
    spans: Iterable[float] = (),
    streams: Mapping[tuple[str, str], Stream] | None = None,
) -> Plan:
    """`plan` with what it will cost over `hours` (see `forecasted`) and over `spans`. `streams`: those of `streams_of`,
    if they are there already."""
    from flowplan.cost.forecast import forecasted

    streams = streams_of(session, plan) if streams is None else streams
    return forecasted(plan, streams, hours, spans, session.cloud().now() or datetime.now(UTC))


def streams_of(session: Session, plan: Plan) -> dict[tuple[str, str], Stream]:
    """The past prices that forecasts of the plan need: one call a region, none without bids."""
    from flowplan.cost.forecast import auctions_of
    from flowplan.planning.untold import only_stops
    from flowplan.pricing import Stream

    cloud = session.cloud()
    auctions = auctions_of(plan)
    pasts = cloud.pasts(auctions, shown_only=only_stops(plan)) if auctions else {}
    now = cloud.now() or datetime.now(UTC)
    minimum = {(market.instance_type, market.region): market.minimum for market in plan.markets.values()}
    streams = {
        auction: Stream.of(past.prices, now, reserve=minimum.get(auction), complete=past.complete)
        for auction, past in pasts.items()
    }
    for auction in auctions:  # of what has no past, the present may be known
        streams.setdefault(auction, Stream.of((), now, reserve=minimum.get(auction)))
    return streams


def hold_known(addresses: Iterable[Address], seen: Observed) -> None:
    """Raise UsageProblem for an address that neither the files nor the state know."""
    from flowplan.diagnostics import candidates

    known = {*seen.desired.resources, *seen.state.bindings}
    for address in addresses:
        if address not in known:
            raise UsageProblem(
                f"--replace {address}: neither the files nor the state have it",
                hint=candidates(str(address), map(str, known)),
            )


def refuse(plan: Plan, *, saved: bool = False) -> None:
    """Raise GuardRefused when a guard says no. The plan, which says why, is shown by then; a `saved` one is not."""
    if plan.refusals:
        reasons = ", ".join(sorted({refusal.reason for refusal in plan.refusals}))
        raise GuardRefused(
            f"refused by the guard {reasons}; nothing was changed",
            reason=plan.refusals[0].reason,
            detail="\n".join(refusal.message for refusal in plan.refusals) if saved else None,
            hint=_remedy(plan.refusals[0]) if saved else None,
        )


def _remedy(refusal: Refusal) -> str:
    """What to do about a refusal of a saved plan."""
    if refusal.reason != "volume_data":
        return refusal.hint
    return (
        "a permission in a plan file proves nothing: name the volume here with --allow-volume-destroy, "
        "or give --expect SHA256, or sign plans with FLOWPLAN_PLAN_KEY"
    )
