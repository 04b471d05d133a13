"""One run of a command: where things are, and the steps that several commands share."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import click
from attrs import define, field

from flowplan.backends.local import DEFAULT
from flowplan.backends.lock import NAME as LOCK_NAME
from flowplan.backends.lock import Owner, this_process
from flowplan.backends.open import open_store, state_path
from flowplan.backends.overflow import spill_directory
from flowplan.backends.store import Loaded, StateLock, Store
from flowplan.cli.durations import read_duration
from flowplan.cli.terminal import Terminal
from flowplan.cloud.http.redaction import forms_in, without
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
from flowplan.operations.validate import _LONGEST_STACK, unsendable
from flowplan.printable import shown
from flowplan.state.state import Binding, State, lately

if TYPE_CHECKING:
    from flowplan.cloud.fcp import Fcp
    from flowplan.config import Config, Source
    from flowplan.model.catalogue import Named
    from flowplan.state.journal import Intent

FromFile = TypeVar("FromFile", "Binding", "Intent")
PUBLIC_API = "https://api.mithril.ai"
SIMULATOR = "sim:"
SIMULATOR_DATA = ".flowplan/simulator.db"


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
    _state_path: Path | None = field(default=None, init=False)
    _store: Store | None = field(default=None, init=False)
    _lock: StateLock | None = field(default=None, init=False)  # while it is held
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
    def store(self) -> Store:
        """The state of this command; one for all of it: what it has read is what its save puts an end to."""
        if self._store is None:
            self._store = open_store(self.state_path, spill_directory(self.environ), self._hold_lock)
        return self._store

    @property
    def state_path(self) -> Path:
        """The state file, found once: a link that leads elsewhere meanwhile does not move a run."""
        if self._state_path is None:
            given: str = self.told.get("state") or DEFAULT
            _hold_file(given)
            self._state_path = state_path(Path(), given)
        return self._state_path

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
        return find(paths, self.state_path.parent, optional=optional, made=self._made)

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
    def locked(self, *, reading: bool = False) -> Iterator[StateLock | None]:
        """Hold the lock. `reading`: a directory that cannot be written is no reason not to look."""
        _ = self.api_url  # a URL that must not be written is refused before anything is
        if not self.state_path.absolute().parent.is_dir():
            raise UsageProblem(f"--state {self.state_path}: there is no directory {self.state_path.parent}")
        if self.told.get("no_lock"):
            if not reading:
                raise UsageProblem("--no-lock is for looking only", hint="leave it out")
            self.terminal.note("the lock is not taken; somebody else may be changing things")
            yield None
            return
        if reading and not os.access(self.state_path.absolute().parent, os.W_OK):
            self.terminal.note("this directory cannot be written, so the lock is not taken")
            yield None
            return
        lock = self.store.lock
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
        kept = Scope(os.path.realpath(self.state_path.parent)).kept
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
