"""A session: what one operation has opened. How its state is loaded and saved is in loading.py and saving.py."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from attrs import field

from flowplan.backends.open import at_endpoint, base_of, open_store
from flowplan.classes import define
from flowplan.clock import timestamp
from flowplan.errors import CloudError, FlowplanError, Locked, StateError, UsageProblem
from flowplan.files.private import is_missing
from flowplan.operations.opening.interaction import Event, Interruption, Listener
from flowplan.operations.opening.scope import Scope
from flowplan.operations.opening.settings import Settings
from flowplan.operations.opening.sources import find
from flowplan.operations.opening.which_state import Chosen, chosen
from flowplan.printable import shown

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from flowplan.backends.store import Loaded, StateLock, Store
    from flowplan.cloud.fcp import Fcp
    from flowplan.cloud.looks import Looks
    from flowplan.config import Config, Source
    from flowplan.model.catalogue import Named
    from flowplan.model.owner import Owner
    from flowplan.operations.opening.elsewhere import Elsewhere
    from flowplan.state.state import State

T = TypeVar("T")
_LONGEST_NAME = 64  # characters of a stack's name


def calls_left(cloud: Fcp) -> bool:
    """Whether a stopped run left calls of `cloud` under way that nobody waits for: each has its intent in the journal.
    The runs of other sessions in this process have clients of their own."""
    return any(thread.name.startswith(f"flowplan-call-{id(cloud):x}_") for thread in threading.enumerate())


@define
class Session:
    """The store, the lock and the client of one operation; each is opened when it is needed. `close` it, or use it in a
    `with` statement. `paths`: the PATHs that may say where the state is; those that `sources` is given first take their
    place."""

    settings: Settings
    listener: Listener = field(factory=Listener)
    interruption: Interruption = field(factory=Event)
    paths: Sequence[str | Source] = field(default=(), kw_only=True)
    _chosen: Chosen | None = field(default=None, init=False)
    _cloud: Fcp | None = field(default=None, init=False)
    _store: Store | None = field(default=None, init=False)
    _named_from: Path | None = field(default=None, init=False)  # where names of files start, by what the state was then
    _usable: bool = field(default=False, init=False)  # whether there can be a state, as far as was looked
    _lock: StateLock | None = field(default=None, init=False)  # while it is held
    _wrote: bool = field(default=False, init=False)  # whether anything was recorded
    _saving: bool = field(default=False, init=False)  # whether it is in the middle of a save, or was interrupted there
    stops: bool = field(default=False, init=False)  # whether it only stops what costs money: `Store.read`
    so_far: str = field(default="", init=False)  # what is said of it where it is cut off; "": whether anything was
    _noted: set[str] = field(factory=set, init=False)
    no_projects: tuple[CloudError, ...] = field(default=(), init=False)  # why they could not be listed

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, FlowplanError):  # an API may repeat what it was sent
            error.hide(self.listener.secretless)
        self.close()

    def afresh(self) -> Session:
        """Another one for the same, which has read nothing yet, and does not say again what this one has said."""
        found = Session(self.settings, self.listener, self.interruption, paths=self.paths)
        found._noted = self._noted
        return found

    def close(self) -> None:
        """Close what was opened; a second time does nothing. What an interruption left open in mid-way too: the lock
        above all, which this process would hold on to."""
        if self._store is not None:
            self._store.lock.release()
            with suppress(StateError):  # a run that ended well has closed it, and heard of errors, itself
                self._store.close()
        if self._cloud is not None and not calls_left(self._cloud):
            self._cloud.close()
            self._cloud = None

    # -- what is said

    def note_once(self, said: str, about: str = "") -> None:
        """Note `said`, unless that was said before, or something else `about` the same."""
        if (about or said) not in self._noted:
            self._noted.add(about or said)
            self.listener.note(said)

    def warn_once(self, said: str) -> None:
        """Warn of `said`, unless that was said before: a state is read more than once."""
        if said not in self._noted:
            self._noted.add(said)
            self.listener.warn(said)

    def nothing_was(self, done: str) -> str:
        """What is said beside a refusal: that nothing was `done`; else than what this operation has recorded by then,
        as of what an earlier run left."""
        return f"nothing {'else ' if self._wrote else ''}was {done}"

    @property
    def came_of_it(self) -> str:
        """What is said of this operation where somebody ended it."""
        if self._saving and not self.so_far:
            return "flowplan does not know whether the state was saved: `flowplan state list` shows what it holds"
        return self.so_far or ("what was done is saved" if self._wrote else "nothing was changed")

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Within, the state is saved: who is interrupted there may have saved it, or not."""
        self._saving = True
        try:
            yield
        except Exception:
            self._saving = False
            raise
        self._saving = False

    # -- the state

    @property
    def store(self) -> Store:
        """The state of this command; one for all of it: what it has read is what its save puts an end to."""
        if not self._usable:
            self._hold_usable()
            self._usable = True
        return self._opened()

    def _opened(self) -> Store:
        """Opened once: a name that leads elsewhere meanwhile does not move a run."""
        if self._store is None:
            settings = self.settings
            with self.chosen.explained():
                where = self.chosen.where
                environ = at_endpoint(where, settings.environ, settings.endpoint)
                store = open_store(where, settings.directory, environ, self._hold_lock, settings.form())
            if self._named_from is not None and not self.chosen.is_url and store.base != self._named_from:
                raise StateError(f"{shown(where)} leads to another directory by now", hint="run the same command again")
            self._store = store
        return self._store

    def reach(self) -> None:
        """Begin to ask the server for the state, where it is on one, for an operation that is about to change it. What
        is wrong with it, who opens it says."""
        if self.settings.lock:
            with suppress(FlowplanError, OSError):
                if self.chosen.is_url:
                    self._opened().reach()

    @property
    def chosen(self) -> Chosen:
        """Which state it is, and what says so; nothing of it is opened. Raises ConfigError, UsageProblem."""
        if self._chosen is None:
            self._chosen = chosen(self.settings, self.paths)
        return self._chosen

    @property
    def identity(self) -> str:
        """What tells the state from every other one. Nothing is looked at yet."""
        return self._opened().identity

    @property
    def elsewhere(self) -> Elsewhere:
        """The other states that this directory has used."""
        from flowplan.operations.opening.elsewhere import Elsewhere

        return Elsewhere(self.settings, self.chosen, self._opened(), self.paths)

    def read(self) -> Loaded:
        """What the store holds. Raises StateError, also for what is left of a state that has moved elsewhere."""
        from flowplan.state.moving import hold_in_use

        loaded = self.store.read(stops=self.stops)
        hold_in_use(loaded.state, self.store.name)
        if loaded.unread is not None:
            self.warn_once(f"{loaded.unread}; the file stays as it is, and this run goes by the rest of the state")
        return loaded

    def files(self) -> Scope:
        """How the state and somebody here name files; it covers none."""
        return Scope(os.path.realpath(self.store.base), self.settings.directory.absolute())

    # -- the configuration

    def sources(self, paths: Sequence[str | Source], *, optional: bool = False) -> tuple[list[Source], Scope]:
        """The configuration files that PATHs mean, and what they cover. `optional`: for what only takes away."""
        if self._store is None and paths:
            self.paths, self._chosen = paths, None
        return find(
            paths,
            self._base(),
            self.settings.directory,
            optional=optional,
            made=self._made,
            may_have_made=self.may_have_made,
            note=self.note_once,
        )

    def _base(self) -> Path:
        """The directory from which the state names files. What is wrong with its name, who opens it says."""
        try:
            on_a_server = self.chosen.is_url
        except FlowplanError:
            on_a_server = True
        if on_a_server:
            return self.settings.directory
        if self._store is not None:
            return self._store.base
        settings, where = self.settings, self.chosen.where
        with self.chosen.explained():
            at_endpoint(where, settings.environ, settings.endpoint)  # an --endpoint that is wrong is refused here, too
            self._named_from = base_of(where, settings.directory)
        return self._named_from

    def _made(self, scope: Scope) -> bool:
        return any(scope.covers(binding) for binding in self.read().state.bindings.values())

    def may_have_made(self, scope: Scope) -> bool:
        """Also what is in doubt counts, and a state that does not read may hold anything."""
        try:
            loaded = self._opened().read()
        except (FlowplanError, OSError):
            return True
        made = any(map(scope.covers, loaded.state.bindings.values()))
        return made or any(map(scope.covers, loaded.pending.values()))

    def stack_name(self, state: State, given: str = "") -> str:
        """Kept in the state since the first apply; before that `given`, the one of a stack file, else the directory's
        name."""
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", self.settings.directory.absolute().name).strip("-")
        return state.stack or given or plain[:_LONGEST_NAME] or "flowplan"

    # -- the lock

    @contextmanager
    def changing(self) -> Iterator[StateLock]:
        """Hold the lock, to change things. Raises Locked, NoLocks, UsageProblem."""
        self.hold_changeable()
        with self.unwound(), self._held() as lock:
            yield lock

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Look, without the lock: what is read is of one moment, also while another run changes things."""
        self._hold_lockable()
        with self.unwound():
            yield

    def hold_changeable(self) -> None:
        """Raise UsageProblem for what is asked for without the lock, or where there can be no state."""
        self._hold_lockable()
        if not self.settings.lock:
            raise UsageProblem("--no-lock is for read-only commands", hint="leave it out")

    def _hold_lockable(self) -> None:
        _ = self.settings.api_url  # a URL that must not be written is refused before anything is
        self._hold_usable()

    def _hold_usable(self) -> None:
        """Raise UsageProblem where there can be no state: nothing was ever made there, or its name is wrong, and an
        empty state would say the first."""
        store, directory = self._opened(), self.settings.directory
        if is_missing(directory):
            from flowplan.operations.opening.not_found import no_directory

            raise no_directory(directory)
        with self.chosen.explained():
            store.hold_usable()

    @contextmanager
    def _held(self) -> Iterator[StateLock]:
        lock = self.store.lock
        self.interruption.far = self.chosen.is_url
        try:
            self._acquire(lock)  # an interruption right after it has taken the lock is within
            self._lock = lock
            yield lock
        finally:
            self._lock = None
            lock.release()

    def _acquire(self, lock: StateLock) -> None:
        stopped = self.interruption.stopped
        try:
            lock.acquire(self.owner(), timeout=self.settings.lock_timeout, say=self.listener.note, stopped=stopped)
        except Locked as error:
            raise self.interruption.interrupted(self.nothing_was("changed")) if stopped() else error from None

    @property
    def is_changing(self) -> bool:
        """Whether it holds the lock now."""
        return self._lock is not None

    def now(self) -> str:
        """The time of this machine, as documents and the state have it: RFC 3339, UTC."""
        return timestamp()

    def owner(self) -> Owner:
        """Who this operation is, to others that find its lock."""
        from flowplan.backends.processes import this_process

        return this_process(self.settings.command(), self.settings.environ, self.now())

    @contextmanager
    def unwound(self) -> Iterator[None]:
        """An interruption within releases the lock; then it is said what came of it."""
        try:
            with self.interruption.unwinding():
                yield
        except KeyboardInterrupt as error:
            raise self.interruption.interrupted(self.came_of_it, error) from None

    def _hold_lock(self) -> None:
        """Before anything is written. Raises StateError when the lock is not ours any more."""
        if self._lock is not None:
            self._lock.verify()
        if not self._wrote:
            self.elsewhere.note_begun()
        self._wrote = True

    # -- the cloud

    def cloud(self, parallelism: int = 10) -> Fcp:
        """The API's client; opened once."""
        if self._cloud is None:
            from flowplan.cloud.connect import Caller, connect, simulated

            settings, listener = self.settings, self.listener
            clock = self.interruption.clock()
            caller = Caller(wait=self._wait, hold=self.interruption.hold, log=listener.log, note=listener.note)
            if settings.simulated:
                if is_missing(settings.directory):  # its data would make one, which then is an empty state
                    from flowplan.operations.opening.not_found import no_directory

                    raise no_directory(settings.directory)
                data, start = settings.simulator_data, settings.simulator_start
                self._cloud = simulated(data, start, parallelism, caller=caller, clock=clock)
            else:
                api_url, environ = settings.api_url, settings.environ
                self._cloud = connect(api_url, environ, parallelism, caller=caller, clock=clock, hide=listener.hide)
        return self._cloud

    def _wait(self, seconds: float) -> None:
        """Between two tries of a call. Raises KeyboardInterrupt as `hold` does, else CloudError, once somebody asked to
        stop: the call is abandoned."""
        self.interruption.pause(seconds)
        self.interruption.hold()
        if self.interruption.stopped():
            raise CloudError("stopped before the call was sent again")

    def enter_project(self, state: State, config: Config | None) -> Named:
        """Find the project and make it the client's. Raises ConfigError, and GuardRefused for another one
        than the state's."""
        from flowplan.cloud.looks import NOTHING

        return self.enter_and_list(state, config, NOTHING)[0]

    def enter_and_list(self, state: State, config: Config | None, lists: Looks[T]) -> tuple[Named, T]:
        """The same, and what comes of `lists`, which are read beside that of the projects as far as they can be."""
        from flowplan.operations.opening.project import entered

        project, made, self.no_projects = entered(self.cloud(), self.settings, state, config, lists)
        return project, made
